package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// containerSpec is what a container is made of.
type containerSpec struct {
	Network  string // the network namespace's name
	Root     string // a directory with the image's files
	Hostname string
	ReadOnly bool
	Binds    []bind
	UID, GID int
	Args     []string
	Env      []string
}

// bind shows a file or directory in a container.
type bind struct {
	From, To string
	ReadOnly bool
}

// become turns this process, in namespaces of its own, into what spec says. It
// returns only if that fails.
func become(text string) error {
	var spec containerSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	runtime.LockOSThread()
	network, err := os.Open(filepath.Join("/run/netns", spec.Network))
	if err != nil {
		return err
	}
	if err := unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network %s: %w", spec.Network, err)
	}
	if err := spec.mounts(); err != nil {
		return err
	}
	if err := errors.Join(unix.Sethostname([]byte(spec.Hostname)), unix.Chroot(spec.Root), unix.Chdir("/")); err != nil {
		return fmt.Errorf("enter %s: %w", spec.Root, err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(spec.GID), syscall.Setuid(spec.UID)); err != nil {
		return fmt.Errorf("become user %d: %w", spec.UID, err)
	}
	command, err := lookPath(spec.Args[0], spec.Env)
	if err != nil {
		return err
	}
	return fmt.Errorf("run %s: %w", command, unix.Exec(command, spec.Args, spec.Env))
}

// lookPath finds a command as an engine does, in the PATH of the container.
func lookPath(command string, env []string) (string, error) {
	for _, variable := range env {
		for dir := range strings.SplitSeq(strings.TrimPrefix(variable, "PATH="), ":") {
			path := filepath.Join(dir, command)
			if info, err := os.Stat(path); err == nil && strings.HasPrefix(variable, "PATH=") && info.Mode()&0o111 != 0 {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("there is no %q in the PATH of %q", command, env)
}

// mounts makes the container's view of files.
func (s containerSpec) mounts() error {
	mount := func(from, to, kind string, flags uintptr) error {
		if err := unix.Mount(from, to, kind, flags, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", from, to, err)
		}
		return nil
	}
	inRoot := func(path string) string { return filepath.Join(s.Root, path) }
	err := errors.Join(
		mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE),
		mount(s.Root, s.Root, "", unix.MS_BIND|unix.MS_REC),
		mount("proc", inRoot("/proc"), "proc", 0),
	)
	for _, device := range []string{"/dev/null", "/dev/urandom"} {
		err = errors.Join(err, mount(device, inRoot(device), "", unix.MS_BIND))
	}
	for _, b := range s.Binds {
		err = errors.Join(err, mount(b.From, inRoot(b.To), "", unix.MS_BIND))
		if b.ReadOnly {
			err = errors.Join(err, mount("", inRoot(b.To), "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY))
		}
	}
	if s.ReadOnly {
		err = errors.Join(err, mount("", s.Root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY))
	}
	return err
}

// container is one that runs, or ran.
type container struct {
	w       *world
	name    string
	address netip.Addr
	spec    containerSpec
	process *os.Process
	log     *lines
	ended   chan struct{} // closed at its end
	code    int           // how it ended, once ended is closed
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer // under mu
}

// Write takes a part of the log.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns the log.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// asked is what a Compose file or a manifest wants of a container.
type asked struct {
	name     string
	readOnly bool
	uid, gid int
	args     []string // behind the image's entry point
	env      []string
	binds    []bind
	resolv   string // /etc/resolv.conf
	hosts    string // /etc/hosts
}

// run starts a container in a network of its own.
func (w *world) run(a asked) *container {
	w.t.Helper()
	namespace, address := w.network()
	return w.runIn(namespace, address, a)
}

func (w *world) runIn(namespace string, address netip.Addr, a asked) *container {
	w.t.Helper()
	spec := containerSpec{
		Network: namespace, Root: w.t.TempDir(), Hostname: a.name, ReadOnly: a.readOnly, UID: a.uid, GID: a.gid,
		Args: append(append([]string{}, w.image.Entrypoint...), a.args...), Env: append(append([]string{}, w.image.Env...), a.env...),
	}
	own := w.t.TempDir()
	files := map[string]string{"/etc/resolv.conf": a.resolv, "/etc/hosts": "127.0.0.1 localhost\n" + address.String() + " " + a.name + "\n" + a.hosts}
	for path, text := range files {
		from := filepath.Join(own, filepath.Base(path))
		w.must(os.WriteFile(from, []byte(text), 0o644))
		spec.Binds = append(spec.Binds, bind{From: from, To: path, ReadOnly: true})
	}
	spec.Binds = append(spec.Binds, a.binds...)
	w.must(spec.unpack(w.image.root))
	text, err := json.Marshal(spec)
	w.must(err)

	c := &container{w: w, name: a.name, address: address, spec: spec, log: &lines{}, ended: make(chan struct{})}
	cmd := exec.CommandContext(context.Background(), "/proc/self/exe")
	cmd.Env = []string{containerVariable + "=" + string(text)}
	cmd.Stdout, cmd.Stderr = c.log, c.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS}
	w.must(cmd.Start())
	c.process = cmd.Process
	go func() {
		_ = cmd.Wait() // the code says it
		c.code = cmd.ProcessState.ExitCode()
		close(c.ended)
	}()
	w.t.Cleanup(func() {
		c.signal(syscall.SIGKILL)
		<-c.ended
		if w.t.Failed() {
			w.t.Logf("-- %s at %s said:\n%s", c.name, c.address, c.log)
		}
	})
	return c
}

// unpack puts the image's files below Root, with the places to mount on. Files are
// shared with the image: nobody can write them.
func (s containerSpec) unpack(image string) error {
	err := filepath.WalkDir(image, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(s.Root, strings.TrimPrefix(path, image))
		info, err := d.Info()
		switch {
		case err != nil:
			return err
		case path == image:
			return os.Chmod(to, 0o755)
		case !d.IsDir():
			return os.Link(path, to)
		}
		stat := info.Sys().(*syscall.Stat_t)
		return errors.Join(os.Mkdir(to, info.Mode()), os.Chmod(to, info.Mode()), os.Chown(to, int(stat.Uid), int(stat.Gid)))
	})
	for _, dir := range []string{"/proc", "/dev"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(s.Root, dir), 0o755))
	}
	places := []bind{{From: "/dev/null", To: "/dev/null"}, {From: "/dev/urandom", To: "/dev/urandom"}}
	for _, b := range append(places, s.Binds...) {
		to := filepath.Join(s.Root, b.To)
		info, statErr := os.Stat(b.From)
		err = errors.Join(err, statErr, os.MkdirAll(filepath.Dir(to), 0o755))
		if statErr == nil && info.IsDir() {
			err = errors.Join(err, os.MkdirAll(to, 0o755))
		} else if statErr == nil {
			err = errors.Join(err, os.WriteFile(to, nil, 0o600))
		}
	}
	return err
}

// volume makes a directory that looks as a new named volume does: it takes over the
// owner and mode of what it is mounted on.
func (w *world) volume(at string) string {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "volume")
	w.must(os.Mkdir(dir, 0o755))
	if info, err := os.Stat(filepath.Join(w.image.root, at)); err == nil {
		stat := info.Sys().(*syscall.Stat_t)
		w.must(errors.Join(os.Chown(dir, int(stat.Uid), int(stat.Gid)), os.Chmod(dir, info.Mode())))
	}
	return dir
}

// signal sends one; to a container that has ended it does nothing.
func (c *container) signal(s syscall.Signal) {
	_ = c.process.Signal(s)
}

// kill is docker kill, or a pod that is deleted by force.
func (c *container) kill() {
	c.signal(syscall.SIGKILL)
	<-c.ended
}

// stop is docker stop, or a pod that is deleted: the stop signal, and a KILL when
// the grace period is over. It returns how long it took.
func (c *container) stop(s syscall.Signal, grace time.Duration) time.Duration {
	c.w.t.Helper()
	begun := time.Now()
	c.signal(s)
	select {
	case <-c.ended:
		if c.code != 0 {
			c.w.t.Errorf("%s ended with %d after %s", c.name, c.code, s)
		}
	case <-time.After(grace):
		c.w.t.Errorf("%s did not end within its grace period of %s", c.name, grace)
		c.kill()
	}
	return time.Since(begun)
}

// exec runs a command in a container, as its user, as docker exec does.
func (c *container) exec(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(c.w.t.Context(), limit)
	defer cancel()
	pid, user, group := strconv.Itoa(c.process.Pid), strconv.Itoa(c.spec.UID), strconv.Itoa(c.spec.GID)
	enter := []string{"--target", pid, "--mount", "--net", "--pid", "--ipc", "--uts", "--root=/proc/" + pid + "/root", "--wd=/proc/" + pid + "/root", "--setgid", group, "--setuid", user, "--"}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.Env = c.spec.Env
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %q: %w: %s", c.name, args, err, out)
	}
	return string(out), err
}

// hasNoRights looks at what the kernel says of a container's process.
func (c *container) hasNoRights() {
	c.w.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.process.Pid))
	c.w.must(err)
	user := strconv.Itoa(c.spec.UID)
	for _, want := range []string{
		"Uid:\t" + strings.Join([]string{user, user, user, user}, "\t"),
		"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1", "NSpid:\t" + strconv.Itoa(c.process.Pid) + "\t1\n",
	} {
		if !strings.Contains(string(status), want) {
			c.w.t.Errorf("%s: the kernel does not say %q:\n%s", c.name, want, status)
		}
	}
}
