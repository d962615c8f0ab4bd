// Package masking answers: what may leave?
package masking
