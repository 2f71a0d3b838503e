package domain

import (
	"fmt"
	"time"
)

// Code is the stable, documented name of an error; programs rely on it.
type Code string

// The codes of refusals. The contract documents each.
const (
	CodePersonNotFound       Code = "person_not_found"
	CodePermissionDenied     Code = "permission_denied"
	CodeInsufficientScope    Code = "insufficient_scope"
	CodeRevisionStale        Code = "revision_stale"
	CodeStaffNotFound        Code = "staff_not_found"
	CodeStaffNotActive       Code = "staff_not_active"
	CodeExistingAssignments  Code = "existing_assignments"
	CodeTaskPolicyRequired   Code = "task_policy_required"
	CodeNoRemainingStaff     Code = "no_remaining_staff"
	CodeSelectionEmpty       Code = "selection_empty"
	CodeSelectionTooLarge    Code = "selection_too_large"
	CodeSelectionNotFound    Code = "selection_not_found"
	CodeFilterEmpty          Code = "filter_empty"
	CodeTaskNotFound         Code = "task_not_found"
	CodeMatterNotFound       Code = "matter_not_found"
	CodeNotFound             Code = "not_found"
	CodePreconditionFailed   Code = "precondition_failed"
	CodePreconditionRequired Code = "precondition_required"
	CodeIdempotencyKeyReused Code = "idempotency_key_reused"
	CodeIdempotencyKeyInUse  Code = "idempotency_key_in_use"
	CodeExternalIDTaken      Code = "external_id_taken"
	CodeEmailTaken           Code = "email_taken"
	CodeLastAdministrator    Code = "last_administrator"
	CodeStaffHoldsWork       Code = "staff_holds_work"
	CodeInvalidCursor        Code = "invalid_cursor"
	CodeInvalidValue         Code = "invalid_value"
	CodeRunNotFinished       Code = "run_not_finished"
	CodeUnauthenticated      Code = "unauthenticated"
	CodeTooBusy              Code = "too_busy"
)

// Error is a refusal with a reason that its reader can act on. Whatever is not an Error is a fault of the service.
type Error struct {
	Code       Code
	Detail     string             // a sentence: what was wrong and what to do
	Params     map[string]any     // the variables of the detail
	Fields     []FieldError       // where it was wrong
	RetryAfter time.Duration      // for what may succeed later
	Summary    *AssignmentSummary // of the selection, where the decision has to be made again (A4, A15)
	// Summarize asks whoever knows the selection to add the summary to the answer.
	Summarize bool
}

// FieldError tells what was wrong at one place of what was asked.
type FieldError struct {
	Pointer string `json:"pointer"` // a JSON pointer (RFC 6901) into the body
	Code    Code   `json:"code"`
	Detail  string `json:"detail"`
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Detail) }

// Refuse makes an Error.
func Refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Denied is the refusal of who may not.
func Denied(detail string) *Error { return &Error{Code: CodePermissionDenied, Detail: detail} }

// With adds a variable of the text.
func (e *Error) With(name string, value any) *Error {
	if e.Params == nil {
		e.Params = map[string]any{}
	}
	e.Params[name] = value
	return e
}

// At adds a place that was wrong.
func (e *Error) At(pointer string, code Code, detail string) *Error {
	e.Fields = append(e.Fields, FieldError{Pointer: pointer, Code: code, Detail: detail})
	return e
}

// Below puts a prefix before every pointer, for what was checked without knowing where in the body it stood.
func (e *Error) Below(prefix string) *Error {
	moved := *e
	moved.Fields = make([]FieldError, len(e.Fields))
	for i, field := range e.Fields {
		field.Pointer = prefix + field.Pointer
		moved.Fields[i] = field
	}
	return &moved
}
