package ship

import (
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/near"
)

//go:embed template
var templates embed.FS

// scaffolds are the kinds of which there is a template.
var scaffolds = []string{string(bundle.Go), string(bundle.Node), string(bundle.Python), string(bundle.Lambda)}

func newCommand(c cli.Console) *cobra.Command {
	var kind, situ string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a directory with an example that can be deployed",
		Long: `Make a directory with an example that can be deployed: a few lines of code
and a situ.yaml. The directory must not be there. Its name is that of the deployment.`,
		Example: `  situ new shop
  situ new greet --kind python`,
		Args: cli.Between(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			return scaffold(c, args[0], kind, situ)
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "go", "`kind` of the example: "+strings.Join(scaffolds, ", "))
	cmd.Flags().StringVar(&situ, "situ", "", "`directory` of a clone of situ, which a program in Go is built with")
	return cmd
}

// goLine is what a go.mod says of the language.
var goLine = regexp.MustCompile(`(?m)^go [0-9.]+$`)

// scaffold writes the example of a kind into a new directory.
func scaffold(c cli.Console, dir, kind, situ string) error {
	name := filepath.Base(filepath.Clean(dir))
	if err := bundle.CheckName(name); err != nil {
		return err
	}
	if !slices.Contains(scaffolds, kind) {
		if hint := near.Name(kind, scaffolds); hint != "" {
			return cli.Usage("--kind: there is no %q; did you mean %s?", kind, hint)
		}
		return cli.Usage("--kind: there is no %q; there is %s", kind, strings.Join(scaffolds, ", "))
	}
	files, err := render(kind, name)
	if err != nil {
		return err
	}
	if situ != "" {
		abs, err := filepath.Abs(situ)
		if err != nil {
			return fault.Wrap(fault.Invalid, "new", situ, err)
		}
		mod, err := os.ReadFile(filepath.Join(abs, "go.mod"))
		version := goLine.Find(mod)
		if err != nil || version == nil {
			return cli.Usage("--situ: %s is no clone of situ: there is no go.mod in it", situ)
		}
		files["go.work"] = []byte(string(version) + "\n\nuse (\n\t.\n\t" + abs + "\n)\n")
	}
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Invalid, "", "", "%s: it is there already: give another name", dir)
	} else if err != nil {
		return fault.Wrap(fault.Invalid, "new", dir, err)
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			return fault.Wrap(fault.Unavailable, "new", file, err)
		}
	}
	c.Note("%s: a project of kind %s", dir, kind)
	if kind == string(bundle.Go) && situ == "" {
		c.Note("  (cd %s && go get github.com/situ-dev/situ)", dir)
	}
	c.Note("  situ deploy %s", dir)
	return nil
}

// render returns the files of a kind's example.
func render(kind, name string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(templates, path.Join("template", kind), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		t, err := template.ParseFS(templates, p)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, struct{ Name string }{name}); err != nil {
			return err
		}
		files[strings.TrimSuffix(path.Base(p), ".tmpl")] = b.Bytes()
		return nil
	})
	return files, fault.Wrap(fault.Internal, "new", kind, err)
}
