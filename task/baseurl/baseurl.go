package baseurl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// Parse reads SCHEME://HOST[:PORT][/PATH], with http or https. The path is of plain
// segments: letters, digits and - . _ ~, none of them "." or "..". There is no user,
// no query and no fragment, not even an empty one. The error is read after
// the URL: "has a query; …". It never holds a user's password.
func Parse(raw string) (*url.URL, error) {
	switch {
	case !strings.Contains(raw, "://"):
		return nil, errors.New("has no scheme; write it like http://10.0.0.7:8101")
	case strings.Contains(raw, "@"):
		return nil, errors.New("has a user name in it, or an @")
	case strings.Contains(raw, "?"):
		return nil, errors.New("has a query; leave the ? and what follows it out")
	case strings.Contains(raw, "#"):
		return nil, errors.New("has a fragment; leave the # and what follows it out")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("is no URL like http://10.0.0.7:8101: %w", reason(err))
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("has the scheme %.40q; only http and https are spoken", u.Scheme)
	}
	if err := checkHost(u); err != nil {
		return nil, err
	}
	if err := checkPath(raw, u); err != nil {
		return nil, err
	}
	return u, nil
}

// Join returns the URL of a path below a base URL.
func Join(raw, path string) (string, error) {
	u, err := Parse(raw)
	if err != nil {
		return "", err
	}
	return u.JoinPath(path).String(), nil
}

// CheckAddress accepts the HOST:PORT of another process. The error is read after the
// address: "has the port …".
func CheckAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" {
		return errors.New("is not HOST:PORT, like 10.0.0.7:7101")
	}
	if err := checkName(host); err != nil {
		return err
	}
	return checkPort(port)
}

func checkHost(u *url.URL) error {
	host, port := u.Hostname(), u.Port()
	switch {
	case host == "":
		return errors.New("names no host; write it like http://10.0.0.7:8101")
	case strings.HasSuffix(u.Host, ":"):
		return errors.New("names no port after the colon")
	}
	if err := checkName(host); err != nil {
		return err
	}
	if port == "" {
		return nil // the scheme's
	}
	return checkPort(port)
}

// checkName accepts an IP address, or a name of labels that can be seen. What is not
// ASCII is looked up as IDNA has it, which drops what is invisible and takes other
// dots for dots: two texts would be one host, or look like one.
func checkName(host string) error {
	if ip, err := netip.ParseAddr(host); err == nil && !strings.ContainsFunc(ip.Zone(), func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
		return nil
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if !isLabel(label) {
			return fmt.Errorf("has the host %.100q; a host has letters, digits, - and _, with single dots between them, or is an IP address", host)
		}
	}
	return nil
}

// isLabel accepts letters and digits of any script, with the marks of a script behind
// them, and - and _.
func isLabel(label string) bool {
	for i, r := range label {
		switch {
		case r == '-' || r == '_':
		case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r) || r == unicode.ReplacementChar:
			return false // can't be seen
		case unicode.IsLetter(r) || unicode.IsDigit(r):
		case i > 0 && unicode.In(r, unicode.Mn, unicode.Mc):
		default:
			return false
		}
	}
	return label != ""
}

// checkPort accepts a port in its one form: 08101 is another text for 8101, and nobody
// can call port 0.
func checkPort(port string) error {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
		return fmt.Errorf("has the port %.20q; a port is a number from 1 to 65535, without leading zeros", port)
	}
	return nil
}

// plain are the characters that mean nothing but themselves in a path.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"

func checkPath(raw string, u *url.URL) error {
	_, rest, _ := strings.Cut(raw, "://")
	_, path, _ := strings.Cut(rest, "/") // as it was written: u.Path is decoded
	if path == "" {
		return nil
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(path, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." || strings.ContainsFunc(segment, func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
			return fmt.Errorf("has the path %.100q; its segments are letters, digits and - . _ ~, and none is empty, a dot or two dots", u.Path)
		}
	}
	return nil
}

// reason leaves out the text that url.Parse repeats.
func reason(err error) error {
	if parse, ok := errors.AsType[*url.Error](err); ok {
		return parse.Err
	}
	return err
}
