// Sallyport is a gateway that gives AI agents governed tools: see README.md.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
