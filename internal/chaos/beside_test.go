package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"handover/internal/casesim"
)

// peopleImported is how many people each import loads anew.
const peopleImported = 1500

// importAgain imports the same people over and over, each time under another name, and kills some of the imports. After each
// they bear one name, all of them: that of an import that had begun.
func (s *storm) importAgain(number uint64) {
	random := rand.New(rand.NewPCG(s.seed, number*1000+900))
	folder, err := os.MkdirTemp(s.folder, "import-*")
	if err != nil {
		s.fail("%v", err)
		return
	}
	last := "" // that was reported as loaded
	for attempt := 0; !s.over.Load() && !s.failed.Load(); attempt++ {
		name := fmt.Sprintf("Import%d-%d", number, attempt)
		s.writeImport(folder, name)
		killAfter := time.Duration(0)
		if random.IntN(2) == 0 {
			killAfter = time.Duration(50+random.IntN(1200)) * time.Millisecond
		}
		calm := s.calm.Load()
		output, killed, err := s.handover(killAfter, "import", "--organization", s.importing.String(), folder)
		switch {
		case err == nil:
			s.tally.count("asked: imports that were loaded", 1)
		case killed:
			s.tally.count("fault: kill -9 of an import", 1)
		case calm && s.calm.Load():
			s.fail("an import failed while nothing was disturbed: %v\n%s", err, output)
		default:
			s.tally.count("asked: imports that failed, for the database was gone", 1)
		}
		last = s.imported(name, last, err == nil)
		time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
	}
}

func (s *storm) writeImport(folder, name string) {
	var people, staff, assignments strings.Builder
	people.WriteString("external_id,kind,first_name,last_name,email,phone,status\n")
	staff.WriteString("external_id,first_name,last_name,email,role,status,permissions\n")
	assignments.WriteString("person_external_id,staff_external_id\n")
	for n := range 5 {
		fmt.Fprintf(&staff, "s-%d,Staff,%s,staff%d@example.org,member,active,clients\n", n, name, n)
	}
	for n := range peopleImported {
		fmt.Fprintf(&people, "p-%d,client,Person,%s,,,active\n", n, name)
		fmt.Fprintf(&assignments, "p-%d,s-%d\n", n, (n+len(name))%5)
	}
	for file, text := range map[string]*strings.Builder{"people.csv": &people, "staff.csv": &staff, "assignments.csv": &assignments} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(text.String()), 0o600); err != nil {
			s.fail("%v", err)
		}
	}
}

// imported holds what is there against what was loaded, and tells which import that is.
func (s *storm) imported(name, last string, loaded bool) string {
	s.healthy.RLock()
	defer s.healthy.RUnlock()
	var found []struct {
		Name   string `db:"name"`
		People int    `db:"people"`
		Staff  int    `db:"staff"`
	}
	err := s.db.Select(&found, `
		SELECT coalesce(p.last_name, s.last_name) AS name, coalesce(p.count, 0) AS people, coalesce(s.count, 0) AS staff
		FROM (SELECT last_name, count(*) FROM people WHERE organization_id = $1 GROUP BY last_name) p
		FULL JOIN (SELECT last_name, count(*) FROM staff WHERE organization_id = $1 GROUP BY last_name) s ON s.last_name = p.last_name`, s.importing)
	if err != nil {
		return last // PostgreSQL was killed meanwhile
	}
	s.tally.count("checked: imports whole or absent", 1)
	switch {
	case len(found) == 0 && last == "" && !loaded:
		return last
	case len(found) != 1 || found[0].People != peopleImported || found[0].Staff != 5:
		s.fail("after the import %s there is %+v", name, found)
	case loaded && found[0].Name != name:
		s.fail("the import %s was loaded, and there is %+v", name, found)
	}
	if len(found) == 0 {
		return last
	}
	return found[0].Name
}

// changeCases changes records of CaMS that clients of an organization follow.
func (s *storm) changeCases(organization int, number uint64) {
	random := rand.New(rand.NewPCG(s.seed, number))
	for n := 0; !s.over.Load() && !s.failed.Load(); n++ {
		record, known := s.cases.Client(casesim.ClientReference(organization*linkedOfEach + 1 + random.IntN(linkedOfEach)))
		if !known {
			s.fail("a record of the simulator is gone")
			return
		}
		record.Person.LastName = fmt.Sprintf("Followed%d-%d", number, n)
		s.cases.Change(record, nil)
		s.tally.count("asked: records of CaMS changed", 1)
		time.Sleep(time.Duration(20+random.IntN(200)) * time.Millisecond)
	}
}

// behind tells which clients are not as CaMS has them.
func (s *storm) behind() ([]string, error) {
	var linked []struct {
		Reference string `db:"reference"`
		LastName  string `db:"last_name"`
	}
	if err := s.db.Select(&linked, `
		SELECT l.reference, p.last_name FROM cams_links l JOIN people p ON p.organization_id = l.organization_id AND p.id = l.person_id`); err != nil {
		return nil, err
	}
	var behind []string
	for _, link := range linked {
		if record, known := s.cases.Client(link.Reference); !known || record.Person.LastName != link.LastName {
			behind = append(behind, fmt.Sprintf("%s is %s, not %s", link.Reference, link.LastName, record.Person.LastName))
		}
	}
	return behind, nil
}
