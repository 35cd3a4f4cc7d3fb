// Package browser keeps web pages from using a browser that reaches a master or a
// slave. A page of another origin is refused what it would write. A page whose own
// name was made to mean our address (DNS rebinding) is of our origin for the browser;
// what gives it away is the Host header, which holds that name. Programs are hardly
// concerned: they call an address, or a name that the server knows to be its own.
package browser
