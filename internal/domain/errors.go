package domain

import (
	"fmt"
	"time"
)

// Code is the stable, documented name of an error; programs rely on it.
type Code string

// The codes of problems, as the table of errors in the contract has them.
const (
	CodeMalformedBody          Code = "malformed_body"
	CodeUnknownField           Code = "unknown_field"
	CodeDuplicateField         Code = "duplicate_field"
	CodeInvalidRequest         Code = "invalid_request"
	CodeUnknownParameter       Code = "unknown_parameter"
	CodeInvalidParameter       Code = "invalid_parameter"
	CodeInvalidCursor          Code = "invalid_cursor"
	CodeUnauthenticated        Code = "unauthenticated"
	CodePermissionDenied       Code = "permission_denied"
	CodeInsufficientScope      Code = "insufficient_scope"
	CodeNotFound               Code = "not_found"
	CodeMethodNotAllowed       Code = "method_not_allowed"
	CodeExistingAssignments    Code = "existing_assignments"
	CodeExternalIDTaken        Code = "external_id_taken"
	CodeEmailTaken             Code = "email_taken"
	CodeLastAdministrator      Code = "last_administrator"
	CodeStaffHoldsWork         Code = "staff_holds_work"
	CodeRunNotFinished         Code = "run_not_finished"
	CodeRunFinished            Code = "run_finished"
	CodeAlreadyUndone          Code = "already_undone"
	CodeNotUndoable            Code = "not_undoable"
	CodeUndoExpired            Code = "undo_expired"
	CodeGroupNameTaken         Code = "group_name_taken"
	CodeDuplicatePerson        Code = "duplicate_person"
	CodeAlreadyClient          Code = "already_client"
	CodeRegisteredInCaMS       Code = "registered_in_cams"
	CodeCaMSReferenceTaken     Code = "cams_reference_taken"
	CodeNotLinked              Code = "not_linked"
	CodeAlreadyActivated       Code = "already_activated"
	CodeTokenNotRotatable      Code = "token_not_rotatable"
	CodeIdempotencyKeyInUse    Code = "idempotency_key_in_use"
	CodePreconditionFailed     Code = "precondition_failed"
	CodeRevisionStale          Code = "revision_stale"
	CodeBodyTooSlow            Code = "body_too_slow"
	CodeBodyTooLarge           Code = "body_too_large"
	CodeUnsupportedMediaType   Code = "unsupported_media_type"
	CodePersonNotFound         Code = "person_not_found"
	CodeStaffNotFound          Code = "staff_not_found"
	CodeMatterNotFound         Code = "matter_not_found"
	CodeSelectionNotFound      Code = "selection_not_found"
	CodeStaffGroupNotFound     Code = "staff_group_not_found"
	CodeNotificationNotFound   Code = "notification_not_found"
	CodeSameStaff              Code = "same_staff"
	CodeStaffNotActive         Code = "staff_not_active"
	CodeTaskPolicyRequired     Code = "task_policy_required"
	CodeNoRemainingStaff       Code = "no_remaining_staff"
	CodeFilterEmpty            Code = "filter_empty"
	CodeSelectionEmpty         Code = "selection_empty"
	CodeSelectionTooLarge      Code = "selection_too_large"
	CodeInvalidValue           Code = "invalid_value"
	CodeManagedByCaMS          Code = "managed_by_cams"
	CodeAssessmentNotFound     Code = "assessment_not_found"
	CodeAssessmentNotSubmitted Code = "assessment_not_submitted"
	CodeCaMSClientNotFound     Code = "cams_client_not_found"
	CodeCaseReferenceGiven     Code = "case_reference_given"
	CodeNoEmail                Code = "no_email"
	CodePasswordWeak           Code = "password_weak"
	CodeInvitationInvalid      Code = "invitation_invalid"
	CodeInvalidCredentials     Code = "invalid_credentials"
	CodeIdempotencyKeyReused   Code = "idempotency_key_reused"
	CodePreconditionRequired   Code = "precondition_required"
	CodeRateLimited            Code = "rate_limited"
	CodeInternal               Code = "internal_error"
	CodeTooBusy                Code = "too_busy"
	CodeTimedOut               Code = "timed_out"
	CodeUnavailable            Code = "unavailable"
	CodeCaseSystemUnavailable  Code = "case_system_unavailable"
	CodeIssuerUnavailable      Code = "issuer_unavailable"
	CodeNotReady               Code = "not_ready"
)

// The codes that only stand at a place: they tell what is wrong with one value.
const (
	CodeRequired       Code = "required"
	CodeWrongType      Code = "wrong_type"
	CodeNullNotAllowed Code = "null_not_allowed"
	CodeNotOneOf       Code = "not_one_of"
	CodeTooShort       Code = "too_short"
	CodeTooLong        Code = "too_long"
	CodeTooSmall       Code = "too_small"
	CodeTooLarge       Code = "too_large"
	CodeTooFew         Code = "too_few"
	CodeTooMany        Code = "too_many"
	CodeWrongFormat    Code = "wrong_format"
)

// Error is a refusal with a reason that its reader can act on. Whatever is not an Error is a fault of the service.
type Error struct {
	Code       Code
	Detail     string             // a sentence: what was wrong and what to do
	Params     map[string]any     // the variables of the detail
	Fields     []FieldError       // where it was wrong
	RetryAfter time.Duration      // for what may succeed later
	Summary    *AssignmentSummary // of the selection, where the decision has to be made again (A4, A15)
	Matches    []PersonRef        // who may be meant, where somebody is there already (C1)
	Accounts   []AccountRef       // which may be meant by whoever signs in (C8)
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
