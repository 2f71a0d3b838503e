package casesim

import (
	"fmt"
	"time"
)

// Assessment is a Common Assessment on the wire.
type Assessment struct {
	Number           string         `json:"number"`
	Status           string         `json:"status"`
	RegisteredInCaMS bool           `json:"registered_in_cams"`
	Person           AssessedPerson `json:"person"`
}

// AssessedPerson is whom an assessment is of.
type AssessedPerson struct {
	FirstName string   `json:"first_name"`
	LastName  string   `json:"last_name"`
	Email     *string  `json:"email"`
	Phone     *string  `json:"phone"`
	Address   *Address `json:"address"`
}

// Client is a client of CaMS on the wire.
type Client struct {
	Reference string `json:"reference"`
	Version   int64  `json:"version"`
	Person    Person `json:"person"`
}

// Person is who a client of CaMS is.
type Person struct {
	FirstName   string   `json:"first_name"`
	LastName    string   `json:"last_name"`
	Email       *string  `json:"email"`
	Phone       *string  `json:"phone"`
	DateOfBirth *string  `json:"date_of_birth"`
	Address     *Address `json:"address"`
}

// Address is where they live.
type Address struct {
	Line1      *string `json:"line1"`
	Line2      *string `json:"line2"`
	City       *string `json:"city"`
	Region     *string `json:"region"`
	PostalCode *string `json:"postal_code"`
	Country    *string `json:"country"`
}

var (
	firstNames = []string{
		"Amara", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jamal", "Keiko", "Luca", "Mei", "Nadia", "Omar",
		"Priya", "Quentin", "Rania", "Sofia", "Tomas", "Ulla", "Viktor", "Wanda", "Ximena", "Yusuf", "Zoë",
	}
	lastNames = []string{
		"Abara", "Bianchi", "Castillo", "Demir", "Eriksen", "Fontaine", "Gupta", "Haddad", "Ivanova", "Jensen", "Kowalski", "Lindqvist",
		"Moreau", "Nakamura", "Okafor", "Papadakis", "Quispe", "Rossi", "Santos", "Tanaka", "Ueda", "Varga", "Weiss",
	}
	streets = []string{"Quay Road", "Harbour Street", "Mill Lane", "Station Road", "King Street", "Elm Avenue", "Church Street"}
	places  = []struct{ city, region, postal, country string }{
		{"Toronto", "ON", "M5V 2T6", "CA"}, {"Hamilton", "ON", "L8P 1A1", "CA"}, {"Ottawa", "ON", "K1P 5M7", "CA"}, {"Montréal", "QC", "H2Y 1C6", "CA"},
	}
)

// ClientReference is the reference of the n-th client.
func ClientReference(n int) string { return fmt.Sprintf("CL-%06d", n) }

// AssessmentNumber is the number of the n-th assessment.
func AssessmentNumber(n int) string { return fmt.Sprintf("CA-%06d", n) }

func personOf(n int) Person {
	first, last := firstNames[n%len(firstNames)], lastNames[n/len(firstNames)%len(lastNames)]
	place := places[n%len(places)]
	born := time.Date(1955, time.January, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n*37%18000).Format(time.DateOnly)
	return Person{
		FirstName: first, LastName: last, Email: new(fmt.Sprintf("client%d@mail.example", n)), Phone: new(fmt.Sprintf("+1416555%04d", n%10000)), DateOfBirth: &born,
		Address: &Address{
			Line1: new(fmt.Sprintf("%d %s", 1+n%180, streets[n%len(streets)])), City: new(place.city), Region: new(place.region),
			PostalCode: new(place.postal), Country: new(place.country),
		},
	}
}

// ClientOf is the n-th client of CaMS, as they are at the start. Every tenth has no email and every fifteenth no address.
func ClientOf(n int) Client {
	record := Client{Reference: ClientReference(n), Version: 1, Person: personOf(n)}
	if n%10 == 0 {
		record.Person.Email = nil
	}
	if n%15 == 0 {
		record.Person.Address = nil
	}
	switch n {
	case 1:
		record.Person = Person{
			FirstName: "Maya", LastName: "Petrov", Email: new("maya.petrov@mail.example"), Phone: new("+14165550142"), DateOfBirth: new("1991-08-14"),
			Address: &Address{Line1: new("18 Harbour Street"), City: new("Toronto"), Region: new("ON"), PostalCode: new("M5V 2T6"), Country: new("CA")},
		}
	case 2:
		record.Person.FirstName, record.Person.LastName, record.Person.Email = "Noah", "Whitfield", new("noah.whitfield@mail.example")
	case 4: // whose assessment is the first
		record.Person = Person{
			FirstName: "Rosa", LastName: "Delgado", Email: new("rosa.delgado@mail.example"), Phone: new("+14165550161"), DateOfBirth: new("1987-02-03"),
			Address: &Address{Line1: new("4 Quay Road"), City: new("Toronto"), Region: new("ON"), PostalCode: new("M5J 1A7"), Country: new("CA")},
		}
	}
	return record
}

// AssessmentOf is the n-th assessment, as it is at the start. Of every five the first can be used, the second is in progress,
// the third of a person who is registered in CaMS, the fourth withdrawn, and the fifth can be used and has no email.
func AssessmentOf(n int) Assessment {
	person := personOf(100_000 + n)
	assessment := Assessment{Number: AssessmentNumber(n), Status: "submitted", Person: AssessedPerson{
		FirstName: person.FirstName, LastName: person.LastName, Email: new(fmt.Sprintf("assessed%d@mail.example", n)), Phone: person.Phone, Address: person.Address,
	}}
	switch n % 5 {
	case 0:
		assessment.Person.Email = nil
	case 2:
		assessment.Status = "in_progress"
	case 3:
		assessment.RegisteredInCaMS = true
	case 4:
		assessment.Status = "withdrawn"
	}
	if n == 1 {
		assessment.Person = AssessedPerson{
			FirstName: "Rosa", LastName: "Delgado", Email: new("rosa.delgado@mail.example"), Phone: new("+14165550161"),
			Address: &Address{Line1: new("4 Quay Road"), City: new("Toronto"), Region: new("ON"), PostalCode: new("M5J 1A7"), Country: new("CA")},
		}
	}
	return assessment
}
