package httpapi

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"handover/internal/domain"
)

// longestWait is the longest that an answer is delayed for the end of a run.
const longestWait = 60 * time.Second

// preference is how a caller would like to be answered (RFC 7240).
type preference struct {
	respondAsync bool
	wait         *time.Duration // how long to wait for the end of a run; nil where nothing is said of it
}

// preferenceOf reads the preferences that are known here. What is not understood is ignored, as are later ones of the
// same name.
func preferenceOf(header *string) preference {
	var wanted preference
	if header == nil {
		return wanted
	}
	for _, stated := range outsideQuotes(*header, ',') {
		name, value, _ := strings.Cut(outsideQuotes(stated, ';')[0], "=")
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, "respond-async"):
			wanted.respondAsync = true
		case strings.EqualFold(name, "wait") && wanted.wait == nil:
			wanted.wait = waitOf(strings.Trim(strings.TrimSpace(value), `"`))
		}
	}
	return wanted
}

// waitOf reads a number of seconds; nil where it is none.
func waitOf(text string) *time.Duration {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return nil
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds > int(longestWait.Seconds()) { // of digits alone it can only be too long
		return new(longestWait)
	}
	return new(time.Duration(seconds) * time.Second)
}

// async tells whether the work is to be left to a worker.
func (p preference) async() bool { return p.respondAsync || p.wait != nil }

// applied is what Preference-Applied tells of a preference that was honoured.
func (p preference) applied() string {
	var honoured []string
	if p.respondAsync || p.wait == nil {
		honoured = append(honoured, "respond-async")
	}
	if p.wait != nil {
		honoured = append(honoured, fmt.Sprintf("wait=%d", int(p.wait.Seconds())))
	}
	return strings.Join(honoured, ", ")
}

// awaited waits for the end of a run that was left to a worker, for as long as the caller prefers to, and tells what was
// honoured; nil where the run had not to be waited for, because it is done, only a preview, or set for later.
func (h *handlers) awaited(ctx context.Context, run domain.Run, wanted preference) (domain.Run, *string, error) {
	if run.Status.Finished() || run.Status == domain.RunScheduled {
		return run, nil, nil
	}
	if wanted.wait != nil {
		var err error
		if run, err = h.app.AwaitRun(ctx, callerOf(ctx), run.ID, *wanted.wait); err != nil {
			return domain.Run{}, nil, err
		}
	}
	return run, new(wanted.applied()), nil
}

// outsideQuotes splits a header at a separator, except within quoted strings.
func outsideQuotes(text string, separator byte) []string {
	var parts []string
	from, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case !quoted && text[i] == separator:
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}
