package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is set at build time with -ldflags "-X main.version=...".
var version = "dev"

func newVersion() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, Run: func(cmd *cobra.Command, _ []string) {
		fmt.Fprintln(cmd.OutOrStdout(), "sallyport", versionText())
	}}
}

// versionText is the version, the revision it was built from and the compiler, as far as the build recorded them.
func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	return describeBuild(version, info)
}

func describeBuild(version string, info *debug.BuildInfo) string {
	if v := info.Main.Version; version == "dev" && v != "" && v != "(devel)" {
		version = v
	}
	about := []string{info.GoVersion}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if r := settings["vcs.revision"]; r != "" {
		r = "revision " + r[:min(len(r), 12)]
		if settings["vcs.modified"] == "true" {
			r += ", changed"
		}
		about = append([]string{r}, about...)
	}
	return version + " (" + strings.Join(about, ", ") + ")"
}
