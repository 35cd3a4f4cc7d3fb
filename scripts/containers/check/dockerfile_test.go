package check

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

const (
	root           = "../../.." // of the repository
	dockerfilePath = "../Dockerfile"
	raftPort       = 7101
	apiPort        = 8101
	slavePort      = 9101
)

// image is what the last stage of the Dockerfile says, and where its files are.
type image struct {
	root       string
	Entrypoint []string
	Command    []string // without other arguments
	Env        []string
	Health     []string // the command of its health check
	UID, GID   int
	StopSignal string
	Ports      []int
}

// stages parses a Dockerfile as BuildKit does, with build arguments put in.
func stages(text []byte) (build, final instructions.Stage, err error) {
	result, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return build, final, err
	}
	if len(result.Warnings) > 0 {
		return build, final, fmt.Errorf("the Dockerfile: %s", result.Warnings[0].Short)
	}
	all, global, err := instructions.Parse(result.AST, nil)
	if err != nil {
		return build, final, err
	}
	if len(all) != 2 {
		return build, final, fmt.Errorf("the Dockerfile has %d stages; it builds in one and ships another", len(all))
	}
	env := []string{"BUILDPLATFORM=linux/" + runtime.GOARCH}
	for _, arg := range global {
		for _, a := range arg.Args {
			env = append(env, a.Key+"="+a.ValueString())
		}
	}
	lex := shell.NewLex(result.EscapeToken)
	for i := range all {
		if all[i].BaseName, _, err = lex.ProcessWord(all[i].BaseName, shell.EnvsFromSlice(env)); err != nil {
			return build, final, err
		}
	}
	return all[0], all[1], nil
}

var goVersion = regexp.MustCompile(`(?m)^go (\d+\.\d+)`)

// judgeDockerfile returns what is wrong with a Dockerfile, as far as it can be said
// without building.
func judgeDockerfile(text []byte) (image, error) {
	var img image
	build, final, err := stages(text)
	if err != nil {
		return img, err
	}
	var wrong []error
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }

	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return img, err
	}
	if needs := goVersion.FindStringSubmatch(string(module))[1]; !strings.HasPrefix(build.BaseName, "golang:"+needs+"-") {
		complain("it is built in %q; go.mod needs Go %s", build.BaseName, needs)
	}
	if final.BaseName != "scratch" {
		complain("the last stage begins with %q, not with scratch", final.BaseName)
	}
	img.UID, img.GID = -1, -1
	for _, command := range final.Commands {
		switch c := command.(type) {
		case *instructions.RunCommand:
			complain("the last stage runs %q; there is no shell in it", c.CmdLine)
		case *instructions.EntrypointCommand:
			if img.Entrypoint = c.CmdLine; c.PrependShell {
				complain("ENTRYPOINT needs a shell, which there is not, and which would get the signals; write it as [\"…\"]")
			}
		case *instructions.CmdCommand:
			if img.Command = c.CmdLine; c.PrependShell {
				complain("CMD needs a shell, which there is not; write it as [\"…\"]")
			}
		case *instructions.EnvCommand:
			for _, pair := range c.Env {
				img.Env = append(img.Env, pair.String())
			}
		case *instructions.UserCommand:
			user, group, _ := strings.Cut(c.User, ":")
			uid, userErr := strconv.Atoi(user)
			gid, groupErr := strconv.Atoi(group)
			if userErr != nil || groupErr != nil || uid == 0 || gid == 0 {
				complain("USER %s: it must be two numbers, neither of them root's", c.User)
			}
			img.UID, img.GID = uid, gid
		case *instructions.StopSignalCommand:
			img.StopSignal = c.Signal
		case *instructions.ExposeCommand:
			for _, port := range c.Ports {
				number, err := strconv.Atoi(port)
				if err != nil {
					complain("EXPOSE %s is no port", port)
				}
				img.Ports = append(img.Ports, number)
			}
		case *instructions.HealthCheckCommand:
			if len(c.Health.Test) < 2 || c.Health.Test[0] != "CMD" {
				complain("HEALTHCHECK %q needs a shell, which there is not; write it as CMD [\"…\"]", c.Health.Test)
				continue
			}
			img.Health = c.Health.Test[1:]
		}
	}
	switch {
	case img.UID < 0:
		complain("there is no USER: it would run as root")
	case img.StopSignal != "SIGTERM":
		complain("STOPSIGNAL is %q; muster ends gracefully on SIGTERM", img.StopSignal)
	case len(img.Health) == 0:
		complain("there is no HEALTHCHECK")
	case len(img.Entrypoint) == 0:
		complain("there is no ENTRYPOINT")
	}
	for _, port := range []int{raftPort, apiPort, slavePort} {
		if !slices.Contains(img.Ports, port) {
			complain("port %d is not exposed", port)
		}
	}
	return img, errors.Join(wrong...)
}

// copyContext copies what .dockerignore leaves of the repository.
func copyContext(to string) error {
	f, err := os.Open(filepath.Join(root, ".dockerignore"))
	if err != nil {
		return err
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		return err
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil || name == "." {
			return err
		}
		if name == ".git" || name == ".cache" {
			return fs.SkipDir // large, and not in the context: TestContext
		}
		ignored, err := matcher.MatchesOrParentMatches(name)
		if err != nil || ignored || d.IsDir() {
			return err
		}
		return copyFile(file, filepath.Join(to, name))
	})
}

func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, info.Mode())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// buildImage does what the Dockerfile says: the steps of the first stage on this
// machine, in a directory in the place of the builder's root, and the copies of the
// last. The result is in dir/image.
func buildImage(dir string) (image, error) {
	text, err := os.ReadFile(dockerfilePath)
	if err != nil {
		return image{}, err
	}
	img, err := judgeDockerfile(text)
	if err != nil {
		return img, err
	}
	build, final, err := stages(text)
	if err != nil {
		return img, err
	}
	files, builder := filepath.Join(dir, "context"), filepath.Join(dir, "builder")
	if err := copyContext(files); err != nil {
		return img, err
	}
	if err := buildStage(build, files, builder); err != nil {
		return img, err
	}
	img.root = filepath.Join(dir, "image")
	if err := os.Mkdir(img.root, 0o755); err != nil {
		return img, err
	}
	for _, command := range final.Commands {
		c, ok := command.(*instructions.CopyCommand)
		if !ok {
			continue
		}
		if c.From != build.Name || len(c.SourcePaths) != 1 {
			return img, fmt.Errorf("%s: it copies one thing from stage %q", c, build.Name)
		}
		from := filepath.Join(builder, c.SourcePaths[0])
		if _, missing := os.Stat(from); errors.Is(missing, fs.ErrNotExist) {
			from = c.SourcePaths[0] // of the base image: this machine has it, too
		}
		if err := copyIn(from, filepath.Join(img.root, c.DestPath), c.Chown); err != nil {
			return img, fmt.Errorf("%s: %w", c, err)
		}
	}
	about, err := json.Marshal(img)
	if err != nil {
		return img, err
	}
	return img, os.WriteFile(filepath.Join(dir, "image.json"), about, 0o600)
}

// readImage reads what buildImage made.
func readImage(root string) (image, error) {
	img := image{root: root}
	about, err := os.ReadFile(filepath.Join(filepath.Dir(root), "image.json"))
	if err != nil {
		return img, err
	}
	return img, json.Unmarshal(about, &img)
}

// copyIn copies a file or what is in a directory, owned by root or by chown.
func copyIn(from, to, chown string) error {
	uid, gid := 0, 0
	if chown != "" {
		if _, err := fmt.Sscanf(chown, "%d:%d", &uid, &gid); err != nil {
			return fmt.Errorf("--chown=%s is not UID:GID: %w", chown, err)
		}
	}
	return filepath.WalkDir(from, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.Join(to, strings.TrimPrefix(file, from))
		if d.IsDir() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			if err := errors.Join(os.MkdirAll(name, 0o755), os.Chmod(name, info.Mode())); err != nil {
				return err
			}
		} else if err := copyFile(file, name); err != nil {
			return err
		}
		if os.Geteuid() != 0 {
			return nil
		}
		return os.Lchown(name, uid, gid)
	})
}

// buildArguments are given to the build, as for a release.
var buildArguments = map[string]string{
	"TARGETOS": "linux", "TARGETARCH": runtime.GOARCH, "VERSION": "v1.2.3", "COMMIT": "0123456789abcdef0123456789abcdef01234567",
}

// buildStage runs the steps of a stage below builder.
func buildStage(stage instructions.Stage, files, builder string) error {
	workdir := "/"
	env := os.Environ()
	for _, command := range stage.Commands {
		switch c := command.(type) {
		case *instructions.WorkdirCommand:
			workdir = c.Path
			if err := os.MkdirAll(filepath.Join(builder, workdir), 0o755); err != nil {
				return err
			}
		case *instructions.ArgCommand:
			for _, a := range c.Args {
				value, given := buildArguments[a.Key]
				if !given {
					value = a.ValueString()
				}
				env = append(env, a.Key+"="+value)
			}
		case *instructions.CopyCommand:
			if err := copyStep(c, files, filepath.Join(builder, workdir)); err != nil {
				return err
			}
		case *instructions.RunCommand:
			// The only other directory that steps write to.
			line := strings.ReplaceAll(strings.Join(c.CmdLine, " "), "/out/", builder+"/out/")
			cmd := exec.Command("sh", "-c", line)
			cmd.Dir, cmd.Env = filepath.Join(builder, workdir), env
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %s", c, err, out)
			}
		default:
			return fmt.Errorf("the check does not know how to do %v", c)
		}
	}
	return nil
}

// copyStep copies from the context. What is not there, or is ignored, is an error,
// as for an engine.
func copyStep(c *instructions.CopyCommand, files, workdir string) error {
	for _, source := range c.SourcePaths {
		from := filepath.Join(files, source)
		info, err := os.Stat(from)
		if err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		to := filepath.Join(workdir, c.DestPath)
		if !info.IsDir() && (strings.HasSuffix(c.DestPath, "/") || path.Clean(c.DestPath) == ".") {
			to = filepath.Join(to, filepath.Base(source))
		}
		if err := copyIn(from, to, ""); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	return nil
}

// theImage is built once for all tests of a run.
var theImage = sync.OnceValues(func() (image, error) {
	if err := os.Chmod(imageDir, 0o755); err != nil {
		return image{}, err
	}
	return buildImage(imageDir)
})

// imageDir is where it is built.
var imageDir string

func builtImage(t *testing.T) image {
	t.Helper()
	img, err := theImage()
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestImage builds the image and looks at its files.
func TestImage(t *testing.T) {
	img := builtImage(t)
	binary := filepath.Join(img.root, "usr/bin/muster")
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("muster is not static: it wants an interpreter, and the image has none")
		}
	}
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("muster wants libraries: %q, %v", libraries, err)
	}
	out, err := exec.CommandContext(t.Context(), binary, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "muster v1.2.3, commit 0123456789ab (") {
		t.Errorf("muster version prints %q, %v", out, err)
	}
	out, err = exec.CommandContext(t.Context(), binary, img.Command...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Usage:") || img.Entrypoint[0] != "muster" {
		t.Errorf("%q %q prints %q, %v", img.Entrypoint, img.Command, out, err)
	}
	state, err := os.Stat(filepath.Join(img.root, "var/lib/muster"))
	if err != nil || !state.IsDir() || state.Mode().Perm() != 0o750 {
		t.Errorf("/var/lib/muster: %v, %v", state, err)
	}
	var size int64
	var all []string
	err = filepath.WalkDir(img.root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
			all = append(all, strings.TrimPrefix(file, img.root))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if want := []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/bin/muster"}; !slices.Equal(all, want) {
		t.Errorf("the image has %q, not %q", all, want)
	}
	t.Logf("the image has %d bytes", size)
}

// TestContext: the build gets nothing that it does not need, above all not the
// clone's history.
func TestContext(t *testing.T) {
	f, err := os.Open(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{
		".git/config": true, ".cache/x": true, "muster": true, "dist/x.deb": true, "data/m1/identity.json": true, "cmd/app/x_test.go": true, "fsm/testdata/v1/x": true,
		"go.mod": false, "cmd/muster/main.go": false, "api/openapi.yaml": false,
	} {
		if got, err := matcher.MatchesOrParentMatches(file); got != want || err != nil {
			t.Errorf("%s is ignored: %t, %v", file, got, err)
		}
	}
}
