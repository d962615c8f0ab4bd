package httpapi

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// content is the body of an answer: read, decoded to UTF-8, and not masked yet.
type content struct {
	media   string
	text    []byte // nil when it is not shown
	why     string // why it is not shown, in our words; "" when it is, or when there is none
	cut     bool   // larger than the limit: text is its beginning, up to a line end, or nil
	late    bool   // the time limit ended it
	decoded int    // bytes read, after decompression
}

// errEncoding is a content coding nobody asked for.
var errEncoding = errors.New("the answer is encoded in a way that was not asked for")

// readBody reads at most limit decoded bytes. It never fails: what cannot be shown is described.
func (t *api) readBody(resp *http.Response, limit int) *content {
	c := &content{media: mediaOf(resp.Header.Get("Content-Type"))}
	r, err := decoder(resp, limit)
	if err != nil {
		c.why = "encoded in a way that was not asked for"
		return c
	}
	raw, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	c.decoded = min(len(raw), limit)
	switch {
	case len(raw) > limit:
		c.cut = true
		raw = raw[:limit]
	case err != nil:
		c.late = true // or lost: what came is not the whole answer
		c.why = "not received completely"
		return c
	case len(raw) == 0:
		return c
	}
	if c.media == "" && resp.Header.Get("Content-Type") == "" {
		c.media = "text/plain" // unlabelled; it still must be UTF-8
	}
	if !t.media.shows(c.media) {
		c.why = "not of a type that is shown"
		return c
	}
	if raw = toUTF8(raw, resp.Header.Get("Content-Type"), c.cut); raw == nil {
		c.why = "not text in a known charset"
		return c
	}
	if c.cut {
		raw = wholeLines(raw, c.media)
	}
	if raw == nil {
		c.why = "larger than the limit"
	}
	c.text = raw
	return c
}

// decoder undoes the one content coding that was asked for. The limit is on what comes out of it.
func decoder(resp *http.Response, limit int) (io.Reader, error) {
	switch codings := resp.Header.Values("Content-Encoding"); {
	case len(codings) == 0 || len(codings) == 1 && (codings[0] == "" || strings.EqualFold(codings[0], "identity")):
		return resp.Body, nil
	case len(codings) == 1 && (strings.EqualFold(codings[0], "gzip") || strings.EqualFold(codings[0], "x-gzip")):
		// Compressed, a text is not larger than itself and a little; more is padding that decodes to nothing.
		return &gunzip{src: io.LimitReader(resp.Body, int64(limit)+int64(limit)/8+64<<10)}, nil
	}
	return nil, errEncoding
}

// gunzip opens the stream at the first read: an empty body of a HEAD or 304 has no gzip header.
type gunzip struct {
	src io.Reader
	z   *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.src)
		if err != nil {
			return 0, err // io.EOF for an empty body
		}
		g.z = z
	}
	return g.z.Read(p)
}

// toUTF8 decodes a charset; nil when the bytes are not text in it. cut says that the last character may be incomplete.
func toUTF8(raw []byte, contentType string, cut bool) []byte {
	_, params, _ := mime.ParseMediaType(contentType)
	if cs := strings.ToLower(params["charset"]); cs != "" && cs != "utf-8" && cs != "utf8" && cs != "us-ascii" {
		enc, err := htmlindex.Get(cs)
		if err != nil {
			return nil
		}
		if raw, err = enc.NewDecoder().Bytes(raw); err != nil || bytes.ContainsRune(raw, utf8.RuneError) {
			return nil
		}
	}
	raw = bytes.TrimPrefix(raw, []byte("\uFEFF"))
	if cut {
		for i := 0; i < utf8.UTFMax && !utf8.Valid(raw); i++ {
			raw = raw[:len(raw)-1]
		}
	}
	if !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return nil
	}
	return raw
}

// wholeLines cuts a text back to its last complete line: half a line may be half a secret, which masking cannot know.
// Structured documents are not cut at all.
func wholeLines(raw []byte, media string) []byte {
	if isJSON(media) || strings.HasSuffix(media, "xml") || media == formMedia {
		return nil
	}
	i := bytes.LastIndexByte(raw, '\n')
	if i < 0 {
		return nil
	}
	return raw[:i+1]
}
