package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// Bounds of a bundle: as it comes, unpacked, one file, and their number.
const (
	maxBundle   = 4 << 20
	maxUnpacked = 16 << 20
	maxFile     = 1 << 20
	maxFiles    = 500
)

// Bundle is rules in the format of OPA's bundles (https://www.openpolicyagent.org/docs/management-bundles), read and verified, not yet
// compiled.
type Bundle struct {
	Modules  []Module
	Data     map[string]any
	Revision string // of the manifest; "" when it has none
	Digest   string // of the bytes: 32 hexadecimal digits
}

// bundleRoots are what a bundle may own.
var bundleRoots = []string{"sallyport/operator", "sallyport/operator_test"}

// ReadBundle reads a bundle as "opa build" or "opa sign" make it, a gzipped tar. name stands before the paths of its files in problems. With a
// publicKey (PEM: RSA for RS256, P-256 for ES256, P-384 for ES384) it has to be signed by it, every file and the manifest included. It
// may hold .rego, data.json and the manifest, whose roots have to be within sallyport/operator.
func ReadBundle(name string, b []byte, publicKey string) (*Bundle, error) {
	fail := func(err error) (*Bundle, error) { return nil, fmt.Errorf("%s: %w", name, err) }
	if len(b) > maxBundle {
		return fail(errors.New("the bundle is larger than 4 MiB"))
	}
	if err := checkArchive(b); err != nil {
		return fail(err)
	}
	r := bundle.NewCustomReader(bundle.NewTarballLoaderWithBaseURL(bytes.NewReader(b), "")).WithCapabilities(capabilities(operatorBuiltins...)).
		WithSizeLimitBytes(maxFile).WithRegoVersion(ast.RegoV1)
	if publicKey == "" {
		r = r.WithSkipBundleVerification(true)
	} else {
		algorithm, err := algorithmOf(publicKey)
		if err != nil {
			return fail(fmt.Errorf("public_key: %w", err))
		}
		keys := map[string]*bundle.KeyConfig{"policy": {Key: publicKey, Algorithm: algorithm}}
		r = r.WithBundleVerificationConfig(bundle.NewVerificationConfig(keys, "policy", "", nil))
	}
	raw, err := r.Read()
	if err != nil {
		return fail(err)
	}
	if raw.Manifest.Roots == nil || len(*raw.Manifest.Roots) == 0 || slices.ContainsFunc(*raw.Manifest.Roots, outsideOperator) {
		return fail(fmt.Errorf("roots in .manifest are not within %s", strings.Join(bundleRoots, " and ")))
	}
	out := &Bundle{Data: raw.Data, Revision: raw.Manifest.Revision}
	if err := onlyOperatorData(raw.Data); err != nil {
		return fail(err)
	}
	for _, m := range raw.Modules {
		out.Modules = append(out.Modules, Module{name + "/" + strings.TrimPrefix(m.Path, "/"), string(m.Raw)})
	}
	sum := sha256.Sum256(b)
	out.Digest = hex.EncodeToString(sum[:16])
	return out, nil
}

// PackFolder makes a bundle of an unpacked one.
func PackFolder(dir string) ([]byte, error) {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	t := tar.NewWriter(z)
	left := int64(maxUnpacked)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if base := path.Base(filepath.ToSlash(name)); !bundled(filepath.ToSlash(name)) && base != ".signatures.json" {
			return nil // beside a bundle lie other files: what opa build does not take in is not taken in here
		}
		text, err := readModule(p, &left)
		if err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Name: "/" + filepath.ToSlash(name), Mode: 0o600, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err = io.WriteString(t, text)
		return err
	})
	err = errors.Join(err, t.Close(), z.Close())
	return buf.Bytes(), err
}

// ReadBundleFile reads a file as it is.
func ReadBundleFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBundle+1))
}

// bundled are the files a bundle may hold.
func bundled(name string) bool {
	return name == ".manifest" || strings.HasSuffix(name, ".rego") || path.Base(name) == "data.json"
}

// checkArchive looks at everything in the archive before OPA's reader does: how large it becomes, and that no name stands for
// something else or twice.
func checkArchive(b []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("not a gzipped tar: %w", err)
	}
	seen := map[string]bool{}
	unpacked := &io.LimitedReader{R: z, N: maxUnpacked}
	t := tar.NewReader(unpacked)
	for {
		h, err := t.Next()
		switch {
		case unpacked.N <= 0:
			return errors.New("unpacked, the bundle is larger than 16 MiB")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("not a gzipped tar: %w", err)
		case h.Typeflag == tar.TypeDir:
			continue
		case h.Typeflag != tar.TypeReg:
			return fmt.Errorf("%q is not a plain file", h.Name)
		case h.Size > maxFile:
			return fmt.Errorf("%q is larger than 1 MiB", h.Name)
		}
		name := strings.TrimPrefix(strings.TrimPrefix(h.Name, "."), "/")
		if strings.HasPrefix(h.Name, ".") && !strings.HasPrefix(h.Name, "./") {
			name = h.Name // .manifest
		}
		switch {
		case path.Clean(name) != name || strings.HasPrefix(name, "../") || strings.Contains(name, "\\"):
			return fmt.Errorf("%q is not the name of a file in a bundle", h.Name)
		case seen[name]:
			return fmt.Errorf("%q stands in the bundle twice", h.Name)
		case !bundled(name) && name != ".signatures.json":
			return fmt.Errorf("%q: a bundle holds .rego, data.json and .manifest only", h.Name)
		case len(seen) == maxFiles:
			return fmt.Errorf("more than %d files", maxFiles)
		}
		seen[name] = true
	}
}

func outsideOperator(root string) bool {
	return !slices.ContainsFunc(bundleRoots, func(r string) bool { return root == r || strings.HasPrefix(root, r+"/") })
}

// onlyOperatorData refuses documents that are not below sallyport.operator. Nothing of the gateway's own is in data; this keeps it so.
func onlyOperatorData(data map[string]any) error {
	for name, below := range data {
		inner, ok := below.(map[string]any)
		if name != "sallyport" || !ok {
			return fmt.Errorf("data.json: %q is not below sallyport/operator", name)
		}
		for name := range inner {
			if name != "operator" && name != "operator_test" {
				return fmt.Errorf("data.json: %q is not below sallyport/operator", "sallyport/"+name)
			}
		}
	}
	return nil
}

// algorithmOf decides by the key how signatures are checked, and never by what a signature says of itself.
func algorithmOf(text string) (string, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return "", errors.New("not PEM; openssl pkey -pubout writes it")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return "", errors.New("not a public key; openssl pkey -pubout writes it")
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return "", errors.New("an RSA key of less than 2048 bits")
		}
		return "RS256", nil
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return "ES256", nil
		case 384:
			return "ES384", nil
		}
	}
	return "", errors.New("neither RSA nor an elliptic curve P-256 or P-384")
}
