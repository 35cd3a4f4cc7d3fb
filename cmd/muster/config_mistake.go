package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// settingError is what is wrong with one setting, wherever its value came from.
type settingError struct {
	key  string // the flag's name
	err  error  // what is wrong, and what to do; it is read behind the key
	said string // the whole sentence of the command line, if it is not --key and err

	element string // of a list, that is wrong; empty: the list as a whole
}

// Error returns the words for people at a command line.
func (e *settingError) Error() string {
	if e.said != "" {
		return e.said
	}
	return fmt.Sprintf("--%s %v", e.key, e.err)
}

// Unwrap returns the cause.
func (e *settingError) Unwrap() error { return e.err }

// wrongf is a mistake in the setting key. The words are read behind its name.
func wrongf(key, format string, args ...any) error {
	return &exitError{exitUsage, &settingError{key: key, err: fmt.Errorf(format, args...)}}
}

// inElement says which element of a list the mistake err is about.
func inElement(err error, element string) error {
	if setting, ok := errors.AsType[*settingError](err); ok {
		setting.element = element
	}
	return err
}

// words are those of the mistake for who reads a file, where the flag's parser
// need not be named.
func (e *settingError) words() string {
	if refused, ok := errors.AsType[*pflag.InvalidValueError](e.err); ok {
		return fmt.Sprintf("%q: %v", refused.GetValue(), errors.Unwrap(refused))
	}
	return e.err.Error()
}

// flatten returns the errors that were joined into one.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, flatten(one)...)
	}
	return all
}
