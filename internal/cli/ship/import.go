package ship

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/project"
	"github.com/situ-dev/situ/internal/project/importer"
)

func importCommand(c cli.Console) *cobra.Command {
	var write bool
	cmd := &cobra.Command{
		Use:   "import FORMAT FILE",
		Short: "Make situ.yaml of what another platform reads",
		Long: `Make situ.yaml of what another platform reads: sam (a template of AWS SAM), nuclio
(a function.yaml) or serverless (a serverless.yml). What has no counterpart here is
listed, with its line. Without --write, nothing is written but to the output.`,
		Example: `  situ import sam template.yaml
  situ import nuclio function.yaml --write`,
		Args: cli.Between(2, 2),
		RunE: func(_ *cobra.Command, args []string) error { return importFile(c, args[0], args[1], write) },
	}
	cmd.Flags().BoolVar(&write, "write", false, "write each situ.yaml beside its code")
	return cmd
}

func importFile(c cli.Console, format, name string, write bool) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return cli.Usage("%v", err)
	}
	res, err := importer.Read(format, name, text)
	if err != nil {
		return err
	}
	if c.JSON() {
		return c.Machine(res)
	}
	paths := make([]string, len(res.Functions))
	for i, f := range res.Functions {
		if !filepath.IsLocal(filepath.FromSlash(f.Dir)) {
			return fault.New(fault.Invalid, "", "", "%s: the code is in %s, which is not below it", name, f.Dir)
		}
		paths[i] = filepath.Join(filepath.Dir(name), filepath.FromSlash(f.Dir), project.Name)
		if _, err := os.Lstat(paths[i]); write && !errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.Invalid, "", "", "%s: it is there already: remove it, or leave --write out", paths[i])
		}
	}
	for i, f := range res.Functions {
		if !write {
			if _, err := fmt.Fprintf(c.Out, "# %s\n%s\n", paths[i], f.YAML); err != nil {
				return err
			}
			continue
		}
		if err := add(paths[i], f.YAML); err != nil {
			return err
		}
		c.Note("%s is written", paths[i])
	}
	if len(res.Left) > 0 {
		c.Note("not mapped:\n  %s", strings.Join(res.Left, "\n  "))
	}
	return nil
}

// add writes a file that is not there.
func add(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fault.Wrap(fault.Unavailable, "import", path, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fault.Wrap(fault.Unavailable, "import", path, err)
	}
	_, err = io.WriteString(f, text)
	return fault.Wrap(fault.Unavailable, "import", path, errors.Join(err, f.Close()))
}
