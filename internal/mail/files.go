package mail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"handover/internal/app"
	"handover/internal/atonce"
)

// files keeps each mail as a file, for where there is no mail server. The file of a mail has always the same
// name, so that it makes no difference how often it is written.
type files struct {
	composer *composer
	dir      string
}

// Send writes the file whole or not at all.
func (f *files) Send(_ context.Context, mail app.Mail, _ func(context.Context, *atonce.Conn) error) error {
	written, err := f.composer.compose(mail)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("keep a mail: %w", err)
	}
	unfinished, err := os.CreateTemp(f.dir, ".unfinished-*")
	if err != nil {
		return fmt.Errorf("keep a mail: %w", err)
	}
	_, err = unfinished.Write(written.text)
	err = errors.Join(err, unfinished.Sync(), unfinished.Close())
	if err == nil {
		err = os.Rename(unfinished.Name(), filepath.Join(f.dir, mail.ID().String()+".eml"))
	}
	if err != nil {
		return fmt.Errorf("keep a mail: %w", errors.Join(err, os.Remove(unfinished.Name())))
	}
	return nil
}
