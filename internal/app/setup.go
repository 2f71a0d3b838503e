package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// What the command line does belongs to nobody's account: its audit rows name no staff member.

// NewOrganization asks for a tenant with its first administrator.
type NewOrganization struct {
	Name       string
	TimeZone   string // an IANA name
	AdminEmail string
}

// CreatedOrganization is a new tenant, and a token of its administrator.
type CreatedOrganization struct {
	Organization  domain.Organization
	Administrator domain.Staff
	Token         string
}

// CreateOrganization makes a tenant, its first administrator, and a token for them.
func (a *App) CreateOrganization(ctx context.Context, wanted NewOrganization) (CreatedOrganization, error) {
	if strings.TrimSpace(wanted.Name) == "" {
		return CreatedOrganization{}, domain.Refuse(domain.CodeInvalidValue, "The name is empty.")
	}
	if _, err := time.LoadLocation(wanted.TimeZone); err != nil || wanted.TimeZone == "" || wanted.TimeZone == "Local" {
		return CreatedOrganization{}, domain.Refuse(domain.CodeInvalidValue, "%q is not an IANA time zone, such as America/Toronto.", wanted.TimeZone)
	}
	if !domain.IsEmail(wanted.AdminEmail) {
		return CreatedOrganization{}, domain.Refuse(domain.CodeInvalidValue, "%q is not an email address.", wanted.AdminEmail)
	}
	local, _, _ := strings.Cut(wanted.AdminEmail, "@")
	created := CreatedOrganization{
		Organization: domain.Organization{ID: domain.OrganizationID(newID()), Name: wanted.Name, TimeZone: wanted.TimeZone},
		Administrator: domain.Staff{
			ID: newID(), FirstName: local, Email: wanted.AdminEmail, Role: domain.RoleAdministrator, Status: domain.StaffActive,
		},
	}
	if err := a.store.CreateOrganization(ctx, created.Organization, created.Administrator, a.instant()); err != nil {
		return CreatedOrganization{}, err
	}
	var err error
	created.Token, err = a.IssueToken(ctx, created.Organization.ID, wanted.AdminEmail)
	return created, err
}

// IssueToken makes a token with all that a staff member has, for the command line.
func (a *App) IssueToken(ctx context.Context, organization domain.OrganizationID, email string) (string, error) {
	text := NewTokenText()
	err := a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		if _, err := tx.OrganizationOf(ctx); err != nil {
			return domain.Refuse(domain.CodeNotFound, "There is no organization %s.", organization)
		}
		staff, err := tx.StaffByEmail(ctx, email)
		if err != nil {
			return err
		}
		if staff.Status != domain.StaffActive {
			return domain.Refuse(domain.CodeStaffNotActive, "%s is deactivated and cannot sign in.", staff.Name())
		}
		now := a.instant()
		token := APIToken{ID: newID(), Staff: staff.Ref(), Name: "Made on the command line", CreatedAt: now}
		if err := tx.SaveAPIToken(ctx, token, TokenHash(text)); err != nil {
			return err
		}
		return tx.Audit(ctx, newID(), postgres.AuditStamp{At: now, Action: "api_token_created"}, "api_token", token.ID, nil, tokenFields(token))
	})
	if err != nil {
		return "", fmt.Errorf("issue token: %w", err)
	}
	return text, nil
}
