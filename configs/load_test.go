package configs_test

import (
	"path/filepath"
	"testing"

	"sallyport/configs"
)

func TestExamplesLoad(t *testing.T) {
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		f, err := configs.Load(file)
		if err != nil {
			t.Errorf("%s does not load:\n%s", file, err)
			continue
		}
		for _, w := range f.Warnings {
			t.Log(w)
		}
	}
}
