package configs

import "strings"

// syntaxTexts say in an operator's words what the YAML library found, by the words its message begins with, and the way out. The first
// that fits counts. The library's own words are the parser's, and repeat text of the file, which may be a secret.
var syntaxTexts = []struct{ begins, text string }{
	{"mapping value is not allowed", "a second \": \" on this line, or a line that is indented deeper than the one before; put the value in double quotes, or align the line with its siblings"},
	{"value is not allowed", "this line does not continue what stands before it; align it with its siblings (two blanks a level)"},
	{"non-map value is specified", "a line without \"key: \" among lines that have one; write KEY: VALUE"},
	{"',' or ']' must be specified", "a list that begins with [ is not finished here; add the missing comma or ]"},
	{"',' or '}' must be specified", "a mapping that begins with { is not finished here; add the missing comma or }"},
	{"could not find flow mapping end", "the { here is never closed; add }"},
	{"could not find flow sequence end", "the [ here is never closed; add ]"},
	{"sequence end token", "the [ here is never closed; add ]"},
	{"could not find '['", "a ] without its [; remove it, or put the value in double quotes"},
	{"could not find '{'", "a } without its {; remove it, or put the value in double quotes"},
	{"could not find end character of", "the quote that begins here is never closed; add the closing quote"},
	{"found character '\t'", "a tab; indent with blanks"},
	{"found unknown escape character", "an escape that does not exist; use single quotes, or write \\\\ for a backslash"},
	{"'@' is a reserved", "a plain value cannot begin with @; put it in double quotes"},
	{"'`' is a reserved", "a plain value cannot begin with a backquote; put it in double quotes"},
	{"unexpected directive", "a plain value cannot begin with %; put it in double quotes"},
	{"invalid header option", "what follows | or > is not one of -, + or a number; write the text on the next line"},
}

// syntaxText is a mistake of syntax as the operator reads it.
func syntaxText(message string) string {
	for _, t := range syntaxTexts {
		if strings.HasPrefix(message, t.begins) {
			return t.text
		}
	}
	return withoutQuotes(message) + "; check quotes, brackets and the indentation here and on the line before"
}

// withoutQuotes cuts a message of the library before it repeats text of the file.
func withoutQuotes(message string) string {
	if i := strings.IndexAny(message, "\"'`\n"); i >= 0 {
		message = message[:i]
	}
	if message = strings.TrimRight(message, ": "); message == "" {
		return "the text cannot be read"
	}
	return strings.ToLower(message)
}
