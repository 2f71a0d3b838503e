package embedded

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that PostgreSQL works as: nobody special where this process is an ordinary user, and another one
// where it is root, because PostgreSQL refuses to work as root.
type account struct {
	name       string
	uid, gid   uint32
	isOurs     bool // the same as that of this process: nothing to change
	credential *syscall.Credential
}

// chooseAccount takes the owner of the data where there are any.
func chooseAccount(existing *cluster) (account, error) {
	if os.Geteuid() != 0 {
		return chooseOwnAccount(existing)
	}
	if existing != nil {
		uid, gid, err := ownerOf(existing.folder)
		if err != nil {
			return account{}, err
		}
		if uid == 0 {
			return account{}, fmt.Errorf("the database in %s belongs to root, and PostgreSQL does not work as root: give it to another user with chown -R", existing.folder)
		}
		return newAccount(nameOf(uid), uid, gid), nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(found.Uid, 10, 32)
		if err != nil || uid == 0 {
			continue
		}
		gid, err := strconv.ParseUint(found.Gid, 10, 32)
		if err != nil {
			continue
		}
		return newAccount(name, uint32(uid), uint32(gid)), nil
	}
	return account{}, errors.New("PostgreSQL does not work as root, and there is neither a user postgres nor a user nobody to work as: " +
		"start as an ordinary user, or set DATABASE_URL")
}

func chooseOwnAccount(existing *cluster) (account, error) {
	uid := uint32(os.Geteuid())
	if existing != nil {
		owner, _, err := ownerOf(existing.folder)
		if err != nil {
			return account{}, err
		}
		if owner != uid {
			return account{}, fmt.Errorf("the database in %s belongs to user %s: start as that user or as root, or set DATABASE_URL",
				existing.folder, nameOf(owner))
		}
	}
	return account{name: nameOf(uid), uid: uid, gid: uint32(os.Getegid()), isOurs: true}, nil
}

func newAccount(name string, uid, gid uint32) account {
	return account{name: name, uid: uid, gid: gid, credential: &syscall.Credential{Uid: uid, Gid: gid}}
}

// give makes the account the owner of a file or folder.
func (a account) give(path string) error {
	if a.isOurs {
		return nil
	}
	if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, a.name, err)
	}
	return nil
}

func ownerOf(path string) (uid, gid uint32, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, fmt.Errorf("look at folder %s: %w", path, err)
	}
	status, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, fmt.Errorf("look at folder %s: its owner is not told", path)
	}
	return status.Uid, status.Gid, nil
}

func nameOf(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	found, err := user.LookupId(number)
	if err != nil {
		return number
	}
	return found.Username
}
