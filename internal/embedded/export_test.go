package embedded

import "testing"

// Behind is for tests.
var Behind = behind

// SetElsewhere replaces the folders for data that cannot stay where they belong.
func SetElsewhere(t *testing.T, folders ...string) {
	t.Helper()
	before := elsewhere
	elsewhere = folders
	t.Cleanup(func() { elsewhere = before })
}

// SetInstallations replaces the folders where binaries are looked for beside PATH.
func SetInstallations(t *testing.T, patterns ...string) {
	t.Helper()
	before := installations
	installations = patterns
	t.Cleanup(func() { installations = before })
}
