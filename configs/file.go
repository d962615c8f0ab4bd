// Package configs answers: what did the operator ask for?
package configs
