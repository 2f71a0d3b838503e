package scaled_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"handover/deploy"
)

type composeFile struct {
	Services map[string]composeService `yaml:"services"`
	Volumes  map[string]any            `yaml:"volumes"`
}

type composeService struct {
	Image       string            `yaml:"image"`
	Build       any               `yaml:"build"`
	Profiles    []string          `yaml:"profiles"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Volumes     []string          `yaml:"volumes"`
	DependsOn   any               `yaml:"depends_on"`
}

func (s composeService) needs() (names []string) {
	switch needed := s.DependsOn.(type) {
	case []any:
		for _, name := range needed {
			names = append(names, fmt.Sprint(name))
		}
	case map[string]any:
		for name := range needed {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// The profile `scale` of docker-compose.yml is what make scale runs: Docker cannot be asked here, so its file is read.
func TestCompose(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file composeFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}

	t.Run("the balancer brings up everything it needs, all of the profile, and nothing else", func(t *testing.T) {
		var up []string
		var bring func(name string)
		bring = func(name string) {
			service, known := file.Services[name]
			if !known {
				t.Fatalf("there is no service %s", name)
			}
			if slices.Contains(up, name) {
				return
			}
			up = append(up, name)
			for _, needed := range service.needs() {
				bring(needed)
			}
		}
		bring("balancer")
		slices.Sort(up)
		want := []string{"api-1", "api-2", "balancer", "mailpit", "migrate-scaled", "pgbouncer", "primary", "replica", "worker-1", "worker-2"}
		if !slices.Equal(up, want) {
			t.Errorf("it brings up %v", up)
		}
		for name, service := range file.Services {
			if is := slices.Equal(service.Profiles, []string{"scale"}); is != (slices.Contains(want, name) && name != "mailpit") {
				t.Errorf("%s is of the profiles %v", name, service.Profiles)
			}
		}
	})

	t.Run("files and volumes are there", func(t *testing.T) {
		for name, service := range file.Services {
			if service.Image == "" && service.Build == nil {
				t.Errorf("%s has neither image nor build", name)
			}
			for _, volume := range service.Volumes {
				from, _, _ := strings.Cut(volume, ":")
				if _, known := file.Volumes[from]; known {
					continue
				}
				info, err := os.Stat(filepath.Join(root, from))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				} else if strings.HasSuffix(from, ".sh") && info.Mode()&0o111 == 0 {
					t.Errorf("%s: %s cannot be run", name, from)
				}
			}
		}
	})

	t.Run("nginx and PgBouncer know the services by their names", func(t *testing.T) {
		for _, found := range regexp.MustCompile(`(?m)(?:^ +server |host=)([a-z0-9-]+)[: ]`).FindAllStringSubmatch(deploy.Nginx+deploy.PgBouncer, -1) {
			if _, known := file.Services[found[1]]; !known {
				t.Errorf("there is no service %s", found[1])
			}
		}
		for _, name := range []string{"api-1", "worker-2"} {
			environment := file.Services[name].Environment
			for variable, want := range map[string]string{
				"DATABASE_URL": "@pgbouncer:6432/handover?", "HANDOVER_REPLICA_DATABASE_URL": "@pgbouncer:6432/handover_replica?",
				"HANDOVER_DIRECT_DATABASE_URL": "@primary:5432/handover?", "HANDOVER_DATABASE_POOLED": "true",
			} {
				if !strings.Contains(environment[variable], want) {
					t.Errorf("%s of %s is %q", variable, name, environment[variable])
				}
			}
		}
	})

	t.Run("every variable is one of the service", func(t *testing.T) {
		var help strings.Builder
		for _, command := range []string{"serve", "worker"} {
			output, err := exec.CommandContext(t.Context(), binary, command, "--help").Output()
			if err != nil {
				t.Fatal(err)
			}
			help.Write(output)
		}
		for name, service := range file.Services {
			for variable := range service.Environment {
				if strings.HasPrefix(variable, "HANDOVER_") && !strings.Contains(help.String(), "$"+variable) {
					t.Errorf("%s: the service knows no %s", name, variable)
				}
			}
		}
	})
}
