package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// Receiver is a staff member of an organization, as whoever follows notifications of several organizations tells them
// apart.
type Receiver struct {
	Organization uuid.UUID
	Staff        uuid.UUID
}

// NotificationNumbers tells the number of the newest notification of each receiver that has any, whatever their
// organizations, in one statement. It goes through a function of the database that does just this.
func (s *Store) NotificationNumbers(ctx context.Context, receivers []Receiver) (map[Receiver]int64, error) {
	organizations, staff := make(ids, len(receivers)), make(ids, len(receivers))
	for i, receiver := range receivers {
		organizations[i], staff[i] = receiver.Organization, receiver.Staff
	}
	rows, err := s.DB.QueryContext(ctx, `SELECT organization_id, staff_id, last_number FROM notification_numbers($1::uuid[], $2::uuid[])`, organizations, staff)
	if err != nil {
		return nil, fmt.Errorf("look for new notifications: %w", translate(err))
	}
	numbers := make(map[Receiver]int64, len(receivers))
	err = each(rows, func(scan scanner) error {
		var receiver Receiver
		var last int64
		if err := scan(&receiver.Organization, &receiver.Staff, &last); err != nil {
			return err
		}
		numbers[receiver] = last
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for new notifications: %w", translate(err))
	}
	return numbers, nil
}
