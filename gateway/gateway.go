// Package gateway answers: what happens to one call, in which order? See Gateway.run.
package gateway
