package schema

import (
	"context"
	"io/fs"
	"log/slog"
	"time"
)

// StatusFrom takes the migrations from elsewhere.
var StatusFrom = readStatus

// UpFrom takes the migrations from elsewhere.
func UpFrom(ctx context.Context, databaseURL string, files fs.FS) error {
	return from(files).up(ctx, databaseURL)
}

// DownFrom takes the migrations from elsewhere.
func DownFrom(ctx context.Context, databaseURL string, files fs.FS, steps int) error {
	return from(files).down(ctx, databaseURL, steps)
}

// HastyUpFrom is UpFrom with little patience.
func HastyUpFrom(ctx context.Context, databaseURL string, files fs.FS, log *slog.Logger) error {
	m := from(files)
	m.log = log
	m.pace = pace{lockTimeout: 200 * time.Millisecond, besideTimeout: 500 * time.Millisecond, attempts: 3, firstPause: 200 * time.Millisecond, longestPause: time.Second}
	return m.up(ctx, databaseURL)
}

func from(files fs.FS) migrator {
	m := usual()
	m.files, m.log = files, slog.New(slog.DiscardHandler)
	return m
}
