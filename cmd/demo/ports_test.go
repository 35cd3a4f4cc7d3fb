package demo

import (
	"net"
	"testing"
)

func TestFreeAddressesDifferAndCanBeListenedOn(t *testing.T) {
	addresses, err := freeAddresses(t.Context(), 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Fatalf("%s is not free, or there twice: %v", a, err)
		}
		t.Cleanup(func() { _ = l.Close() })
		if port := l.Addr().(*net.TCPAddr).Port; port < lowestPort || port >= highestPort {
			t.Errorf("port %d is outside of %d to %d", port, lowestPort, highestPort)
		}
	}
}
