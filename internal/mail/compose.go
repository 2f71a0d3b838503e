package mail

import (
	"bytes"
	_ "embed" // the texts of mails
	"fmt"
	htmltemplate "html/template"
	"net/mail"
	"strconv"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"handover/internal/app"
	"handover/internal/domain"
)

// composer writes mails.
type composer struct {
	from mail.Address
	link string // with {id}
}

// message is a mail as it goes over the wire, with its envelope.
type message struct {
	from, to string // bare addresses
	text     []byte
}

// bodies are the two forms of a mail's text.
type bodies struct {
	text *texttemplate.Template
	html *htmltemplate.Template
}

func parsed(text, html string) bodies {
	return bodies{texttemplate.Must(texttemplate.New("text").Parse(text)), htmltemplate.Must(htmltemplate.New("html").Parse(html))}
}

// write fills both forms.
func (b bodies) write(filled any) (text, html string, err error) {
	var plain, marked bytes.Buffer
	if err := b.text.Execute(&plain, filled); err != nil {
		return "", "", fmt.Errorf("write the text of a mail: %w", err)
	}
	if err := b.html.Execute(&marked, filled); err != nil {
		return "", "", fmt.Errorf("write the HTML of a mail: %w", err)
	}
	return plain.String(), marked.String(), nil
}

var (
	//go:embed notification.txt.tmpl
	notificationText string
	//go:embed notification.html.tmpl
	notificationHTML string
	//go:embed invitation.txt.tmpl
	invitationText string
	//go:embed invitation.html.tmpl
	invitationHTML string

	notificationBodies = parsed(notificationText, notificationHTML)
	invitationBodies   = parsed(invitationText, invitationHTML)
)

// content is what the templates are filled with.
type content struct {
	Subject      string
	Name         string
	Organization string
	Lead         string   // what has happened, in a sentence
	Notes        []string // more of it, a sentence or so each
	Items        []contentItem
	More         bool // there is more than the items
	Link         string
}

type contentItem struct {
	Due   string
	Kind  string
	Label string // with whom or what it is about
}

// compose writes a mail: plain text and HTML of the same content. An address that none can be written to is refused for
// good.
func (c *composer) compose(m app.Mail) (*message, error) {
	to, err := mail.ParseAddress(m.Address)
	if err != nil || to.Address != m.Address {
		return nil, fmt.Errorf("%w: the receiver's address cannot be written to", app.ErrMailRefused)
	}
	subject, text, html, err := c.body(m)
	if err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	to.Name = displayName(m.Name)
	if err := msg.From(c.from.String()); err != nil {
		return nil, fmt.Errorf("write the sender of a mail: %w", err)
	}
	if err := msg.To(to.String()); err != nil {
		return nil, fmt.Errorf("%w: the receiver's address cannot be written to: %w", app.ErrMailRefused, err)
	}
	msg.Subject(inHeader(subject))
	msg.SetDateWithValue(m.WrittenAt())
	msg.SetMessageIDWithValue(c.messageID(m.ID()))
	// No machine is to answer it (RFC 3834).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	msg.SetBodyString(gomail.TypeTextPlain, text)
	msg.AddAlternativeString(gomail.TypeTextHTML, html)
	written := &message{from: c.from.Address, to: to.Address}
	var wire bytes.Buffer
	if _, err := msg.WriteTo(&wire); err != nil {
		return nil, fmt.Errorf("write a mail: %w", err)
	}
	written.text = wire.Bytes()
	return written, nil
}

// body is what a mail says, and its subject.
func (c *composer) body(m app.Mail) (subject, text, html string, err error) {
	if m.Invitation != nil {
		filled := invitationOf(m)
		text, html, err = invitationBodies.write(filled)
		return filled.Subject, text, html, err
	}
	filled := c.content(m)
	text, html, err = notificationBodies.write(filled)
	return filled.Subject, text, html, err
}

// invitation is what the templates of an invitation are filled with.
type invitation struct {
	Subject      string
	Name         string
	Organization string
	Link         string
	Until        string
}

func invitationOf(m app.Mail) invitation {
	organization := oneLine(m.Organization)
	return invitation{
		Subject: "Your invitation from " + organization, Name: oneLine(m.Name), Organization: organization, Link: m.Invitation.Link,
		Until: m.Invitation.ExpiresAt.In(m.Zone).Format(dayFormat + ", 15:04 MST"),
	}
}

func (c *composer) content(m app.Mail) content {
	n := m.Notification
	filled := content{
		Name: oneLine(m.Name), Organization: oneLine(m.Organization),
		Link: strings.ReplaceAll(c.link, "{id}", n.ID.String()),
	}
	work := countsText(n.Work)
	switch n.Kind {
	case domain.NoticeWorkReceived:
		filled.Subject = "You have received " + work + fromText(n.From)
		filled.Lead = byText(n.Actor) + " gave you " + work + fromText(n.From) + "."
		if n.Actor != nil && n.Actor.ID == m.Receiver {
			filled.Lead = "You have taken over " + work + fromText(n.From) + "."
		}
	case domain.NoticeWorkHandedOver:
		if n.From == nil { // an undo, or the return of what was lent
			filled.Subject = "No longer yours: " + work
			by := byText(n.Actor)
			if n.Actor != nil && n.Actor.ID == m.Receiver {
				by = "you"
			}
			filled.Lead = "No longer yours: " + work + ". The change that gave you this was undone by " + by + ", or its time has ended."
			break
		}
		filled.Subject = "Your work was handed over: " + work
		filled.Lead = byText(n.Actor) + " handed over " + work + " of yours."
		if n.Actor != nil && n.Actor.ID == m.Receiver {
			filled.Lead = "You have handed over " + work + " of yours."
		}
	case domain.NoticeRunFailed:
		filled.Subject = "A change that you asked for could not be made"
		filled.Lead = "A change that you asked for, to be made later, could not be made. Nothing was changed."
		filled.Notes = failureText(n.Failure, m.Zone)
	}
	for _, item := range n.Items {
		filled.Items = append(filled.Items, itemText(m, item))
	}
	filled.More = len(n.Items) < n.Work.People+n.Work.Tasks+n.Work.Matters+n.Work.Events
	filled.Subject = oneLine(filled.Subject)
	return filled
}

// failureText tells what could not be done, why, and who stands in the way.
func failureText(failure *domain.RunFailure, zone *time.Location) []string {
	if failure == nil {
		return nil
	}
	asked := "You asked on " + failure.RequestedAt.In(zone).Format(instantFormat) + " " + kindText(failure.Kind)
	if failure.ScheduledFor != nil {
		asked += ", on " + failure.ScheduledFor.In(zone).Format(instantFormat)
	}
	notes := []string{asked + "."}
	if failure.Reason != nil && oneLine(*failure.Reason) != "" {
		notes = append(notes, "Your reason: "+oneLine(*failure.Reason))
	}
	notes = append(notes, oneLine(failure.Detail))
	if len(failure.Staff) > 0 {
		names := make([]string, len(failure.Staff))
		for i, staff := range failure.Staff {
			names[i] = oneLine(staff.Name) + " (" + string(staff.Status) + ")"
		}
		notes = append(notes, "It is about "+strings.Join(names, ", ")+".")
	}
	return notes
}

func kindText(kind domain.RunKind) string {
	switch kind {
	case domain.RunManageAssignments:
		return "to change who serves some people"
	case domain.RunAssignStaff:
		return "to assign staff to some people"
	case domain.RunRemoveStaff:
		return "to remove the staff of some people"
	case domain.RunReassignWork:
		return "to hand over the work of a staff member"
	case domain.RunUndo:
		return "to take back a change, or to give back what was lent"
	}
	return "for a change"
}

func itemText(m app.Mail, item domain.NotificationItem) contentItem {
	shown := contentItem{Label: oneLine(item.Label)}
	if item.Concerns != nil {
		shown.Label += " — " + oneLine(item.Concerns.Label)
	}
	switch item.Kind {
	case domain.ItemTask:
		shown.Kind, shown.Due = "Task", "no due date"
		if item.DueOn != nil {
			shown.Due = "due " + item.DueOn.Midnight().Format(dayFormat)
		}
	case domain.ItemCalendarEvent:
		shown.Kind = "Event"
		if item.StartsAt != nil {
			shown.Due = item.StartsAt.In(m.Zone).Format(instantFormat)
		}
	case domain.ItemMatter:
		shown.Kind = "Matter"
	case domain.ItemPerson:
		shown.Kind = "Person"
	}
	return shown
}

const (
	dayFormat     = "Mon 2 Jan 2006"
	instantFormat = dayFormat + ", 15:04"
)

func fromText(from *domain.StaffRef) string {
	if from == nil {
		return ""
	}
	return " from " + oneLine(from.Name)
}

func byText(actor *domain.StaffRef) string {
	if actor == nil {
		return "Somebody"
	}
	return oneLine(actor.Name)
}

// countsText is such as: 3 matters, 12 tasks and 1 event.
func countsText(work domain.WorkCounts) string {
	var parts []string
	for _, part := range []struct {
		count     int
		one, many string
	}{
		{work.Matters, "matter", "matters"},
		{work.Tasks, "task", "tasks"},
		{work.Events, "event", "events"},
		{work.People, "person", "people"},
	} {
		switch part.count {
		case 0:
		case 1:
			parts = append(parts, "1 "+part.one)
		default:
			parts = append(parts, strconv.Itoa(part.count)+" "+part.many)
		}
	}
	switch len(parts) {
	case 0:
		return "work"
	case 1:
		return parts[0]
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

// displayName is a name as it can stand before an address. net/mail does not read a backslash where it has encoded one.
func displayName(name string) string { return inHeader(strings.ReplaceAll(oneLine(name), `\`, "")) }

// inHeader is a text that its reader's program does not take for an encoded one, which could hold anything.
func inHeader(text string) string { return strings.ReplaceAll(text, "=?", "= ?") }

// oneLine is a text that somebody made up, without what could end a line or turn it around.
func oneLine(text string) string {
	text = strings.Map(func(char rune) rune {
		if unicode.IsControl(char) || unicode.In(char, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return char
	}, text)
	return strings.Join(strings.Fields(text), " ")
}
