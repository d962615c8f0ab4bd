// Package store is the durable state shared by the stages: one method is one business transaction.
package store
