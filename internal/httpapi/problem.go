package httpapi

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"handover/api"
	"handover/internal/domain"
)

// problemKind is what all problems of a code have in common.
type problemKind struct {
	code   domain.Code
	status int
	title  string
}

// problemKinds is the one table from a code to its status. It is that of the contract, which a test holds it to.
var problemKinds = []problemKind{
	{domain.CodeMalformedBody, http.StatusBadRequest, "Malformed body"},
	{domain.CodeUnknownField, http.StatusBadRequest, "Unknown field"},
	{domain.CodeDuplicateField, http.StatusBadRequest, "Duplicate field"},
	{domain.CodeInvalidRequest, http.StatusBadRequest, "Invalid request"},
	{domain.CodeUnknownParameter, http.StatusBadRequest, "Unknown parameter"},
	{domain.CodeInvalidParameter, http.StatusBadRequest, "Invalid parameter"},
	{domain.CodeInvalidCursor, http.StatusBadRequest, "Invalid cursor"},
	{domain.CodeUnauthenticated, http.StatusUnauthorized, "Not signed in"},
	{domain.CodeInvalidCredentials, http.StatusUnauthorized, "Email or password wrong"},
	{domain.CodePermissionDenied, http.StatusForbidden, "Permission denied"},
	{domain.CodeInsufficientScope, http.StatusForbidden, "Scope missing"},
	{domain.CodeNotFound, http.StatusNotFound, "Not found"},
	{domain.CodeInvitationInvalid, http.StatusNotFound, "Invitation not valid"},
	{domain.CodeMethodNotAllowed, http.StatusMethodNotAllowed, "Method not allowed"},
	{domain.CodeBodyTooSlow, http.StatusRequestTimeout, "Body too slow"},
	{domain.CodeExistingAssignments, http.StatusConflict, "Staff are assigned already"},
	{domain.CodeExternalIDTaken, http.StatusConflict, "External id taken"},
	{domain.CodeEmailTaken, http.StatusConflict, "Email taken"},
	{domain.CodeLastAdministrator, http.StatusConflict, "Last administrator"},
	{domain.CodeStaffHoldsWork, http.StatusConflict, "Work is held still"},
	{domain.CodeGroupNameTaken, http.StatusConflict, "Group name taken"},
	{domain.CodeRunNotFinished, http.StatusConflict, "Run not finished"},
	{domain.CodeRunFinished, http.StatusConflict, "Run finished"},
	{domain.CodeAlreadyUndone, http.StatusConflict, "Undone already"},
	{domain.CodeNotUndoable, http.StatusConflict, "Cannot be undone"},
	{domain.CodeUndoExpired, http.StatusConflict, "Too late to undo"},
	{domain.CodeDuplicatePerson, http.StatusConflict, "Somebody is here already"},
	{domain.CodeAlreadyClient, http.StatusConflict, "Client already"},
	{domain.CodeRegisteredInCaMS, http.StatusConflict, "Registered in CaMS"},
	{domain.CodeCaMSReferenceTaken, http.StatusConflict, "CaMS reference taken"},
	{domain.CodeNotLinked, http.StatusConflict, "Not linked to CaMS"},
	{domain.CodeAlreadyActivated, http.StatusConflict, "Activated already"},
	{domain.CodeTokenNotRotatable, http.StatusConflict, "Token cannot be rotated"},
	{domain.CodeIdempotencyKeyInUse, http.StatusConflict, "Request still at work"},
	{domain.CodePreconditionFailed, http.StatusPreconditionFailed, "Changed since it was read"},
	{domain.CodeRevisionStale, http.StatusPreconditionFailed, "Changed since the summary"},
	{domain.CodeBodyTooLarge, http.StatusRequestEntityTooLarge, "Body too large"},
	{domain.CodeUnsupportedMediaType, http.StatusUnsupportedMediaType, "Unsupported media type"},
	{domain.CodePersonNotFound, http.StatusUnprocessableEntity, "Person not found"},
	{domain.CodeStaffNotFound, http.StatusUnprocessableEntity, "Staff member not found"},
	{domain.CodeMatterNotFound, http.StatusUnprocessableEntity, "Matter not found"},
	{domain.CodeStaffGroupNotFound, http.StatusUnprocessableEntity, "Staff group not found"},
	{domain.CodeNotificationNotFound, http.StatusUnprocessableEntity, "Notification not found"},
	{domain.CodeSelectionNotFound, http.StatusUnprocessableEntity, "Selection not found"},
	{domain.CodeAssessmentNotFound, http.StatusUnprocessableEntity, "Assessment not found"},
	{domain.CodeAssessmentNotSubmitted, http.StatusUnprocessableEntity, "Assessment not submitted"},
	{domain.CodeCaMSClientNotFound, http.StatusUnprocessableEntity, "CaMS client not found"},
	{domain.CodeCaseReferenceGiven, http.StatusUnprocessableEntity, "Reference of a case"},
	{domain.CodeManagedByCaMS, http.StatusUnprocessableEntity, "Managed by CaMS"},
	{domain.CodeNoEmail, http.StatusUnprocessableEntity, "No email"},
	{domain.CodePasswordWeak, http.StatusUnprocessableEntity, "Password too weak"},
	{domain.CodeSameStaff, http.StatusUnprocessableEntity, "Same staff member"},
	{domain.CodeStaffNotActive, http.StatusUnprocessableEntity, "Staff member not active"},
	{domain.CodeTaskPolicyRequired, http.StatusUnprocessableEntity, "Task policy required"},
	{domain.CodeNoRemainingStaff, http.StatusUnprocessableEntity, "No staff would remain"},
	{domain.CodeFilterEmpty, http.StatusUnprocessableEntity, "Empty filter"},
	{domain.CodeSelectionEmpty, http.StatusUnprocessableEntity, "Empty selection"},
	{domain.CodeSelectionTooLarge, http.StatusUnprocessableEntity, "Selection too large"},
	{domain.CodeInvalidValue, http.StatusUnprocessableEntity, "Invalid value"},
	{domain.CodeIdempotencyKeyReused, http.StatusUnprocessableEntity, "Idempotency-Key reused"},
	{domain.CodePreconditionRequired, http.StatusPreconditionRequired, "If-Match required"},
	{domain.CodeRateLimited, http.StatusTooManyRequests, "Too many requests"},
	{domain.CodeInternal, http.StatusInternalServerError, "Internal error"},
	{domain.CodeTooBusy, http.StatusServiceUnavailable, "Too busy"},
	{domain.CodeTimedOut, http.StatusServiceUnavailable, "Timed out"},
	{domain.CodeCaseSystemUnavailable, http.StatusServiceUnavailable, "Case system unavailable"},
	{domain.CodeIssuerUnavailable, http.StatusServiceUnavailable, "Issuer unavailable"},
	{domain.CodeUnavailable, http.StatusServiceUnavailable, "Service unavailable"},
	{domain.CodeNotReady, http.StatusServiceUnavailable, "Not ready"},
}

var kindOfCode = func() map[domain.Code]problemKind {
	kinds := make(map[domain.Code]problemKind, len(problemKinds))
	for _, known := range problemKinds {
		kinds[known.code] = known
	}
	return kinds
}()

const problemsPath = "/docs/problems"

// problemOf is a refusal as a problem document, without what belongs to the request that was refused.
func problemOf(refusal *domain.Error) api.Problem {
	known := kindOfCode[refusal.Code]
	problem := api.Problem{
		Type: problemsPath + "#" + string(refusal.Code), Title: known.title, Status: known.status, Detail: refusal.Detail,
		Code: string(refusal.Code), Params: api.ProblemParams{}, Errors: make([]api.ProblemError, 0, len(refusal.Fields)),
	}
	maps.Copy(problem.Params, refusal.Params)
	if refusal.RetryAfter > 0 {
		problem.Params["retry_after_seconds"] = retryAfter(refusal)
	}
	for _, field := range refusal.Fields[:min(len(refusal.Fields), maxFaults)] {
		problem.Errors = append(problem.Errors, api.ProblemError{Pointer: field.Pointer, Code: string(field.Code), Detail: field.Detail})
	}
	if refusal.Summary != nil {
		problem.Summary = new(summaryOf(*refusal.Summary))
	}
	if refusal.Matches != nil {
		problem.Matches = new(all(refusal.Matches, func(match domain.PersonRef) api.PersonMatch {
			return api.PersonMatch{ID: match.ID, Name: match.Name, Kind: string(match.Kind)}
		}))
	}
	if refusal.Accounts != nil {
		problem.Accounts = new(all(refusal.Accounts, func(account domain.AccountRef) api.AccountChoice {
			return api.AccountChoice{
				ID: account.ID, Kind: string(account.Kind), Name: account.Name,
				OrganizationID: uuid.UUID(account.OrganizationID), OrganizationName: account.OrganizationName,
			}
		}))
	}
	return problem
}

// retryAfter is after how many whole seconds to ask again.
func retryAfter(refusal *domain.Error) int { return int(math.Ceil(refusal.RetryAfter.Seconds())) }

// answerProblem answers with a problem document.
func answerProblem(c echo.Context, exchange *exchange, refusal *domain.Error) error {
	problem := problemOf(refusal)
	problem.Instance, problem.RequestID = instanceOf(c, exchange.operation), exchange.id
	header := c.Response().Header()
	header.Set("Content-Type", "application/problem+json")
	if refusal.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(retryAfter(refusal)))
	}
	if problem.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", challenge(c.Request().Header))
	}
	c.Response().WriteHeader(problem.Status)
	encoder := json.NewEncoder(c.Response())
	encoder.SetEscapeHTML(false)
	return encoder.Encode(problem)
}

// secretPath is what lets somebody in, wherever it stands in a path: all that follows invitations, the tokens of this
// service, and those of issuers, which begin as every JSON object does in base 64.
var secretPath = regexp.MustCompile(`(?is)(/invitations/+).+|hn[dci]_[^/]*|eyJ[^/]*\.[^/]*`)

// instanceOf is the path that was asked for; the path as the contract has it where something in it is secret. A path of no operation
// can have the secrets of one that was mistyped.
func instanceOf(c echo.Context, operation *operation) string {
	if operation == nil || !operation.hasSecret() {
		return secretPath.ReplaceAllString(c.Request().URL.Path, "${1}{token}")
	}
	path := c.Path()
	for _, name := range c.ParamNames() {
		path = strings.ReplaceAll(path, ":"+name, "{"+name+"}")
	}
	return path
}

// classify turns every error there is into a refusal. What is not one already, and not of the router, is a fault of the
// service: its text is for the log alone.
func classify(err error) *domain.Error {
	var refusal *domain.Error
	if errors.As(err, &refusal) {
		if _, known := kindOfCode[refusal.Code]; known {
			return refusal
		}
		return internalError()
	}
	var routing *echo.HTTPError
	if !errors.As(err, &routing) {
		return internalError()
	}
	switch routing.Code {
	case http.StatusNotFound:
		return domain.Refuse(domain.CodeNotFound, "There is nothing at this path.")
	case http.StatusMethodNotAllowed:
		return domain.Refuse(domain.CodeMethodNotAllowed, "This path does not have this method. Allow lists those it has.")
	case http.StatusBadRequest:
		return unfit(err)
	}
	return internalError()
}

func internalError() *domain.Error {
	return domain.Refuse(domain.CodeInternal, "Something went wrong here, and nothing was changed. Tell us the request_id if it happens again.")
}

// unfit is for what the contract lets pass and the program's types do not, such as a number too long for any integer.
func unfit(err error) *domain.Error {
	refusal := domain.Refuse(domain.CodeInvalidRequest, "A value of the request is beyond what this service can hold.")
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		pointer := "/" + strings.ReplaceAll(mismatch.Field, ".", "/")
		return refusal.At(pointer, domain.CodeTooLarge, "Is beyond what this field can hold.")
	}
	return refusal
}
