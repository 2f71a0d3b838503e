// Ways through an OpenAPI document of one file. A place is the list of keys that leads to a node.

const verbs = ['get', 'put', 'post', 'patch', 'delete'];

/** A rule that looks at the whole document at once. */
export function rule(check) {
  return (options) => ({
    Root(root, ctx) {
      const report = (place, message) => ctx.report({ message, location: ctx.location.child(place) });
      check(root, report, options);
    },
  });
}

/** The node that stands at a place, its reference followed, with the place it was found at. */
export function follow(root, node, place) {
  if (!node || typeof node.$ref !== 'string') return [node, place];
  const target = node.$ref.replace(/^#\//, '').split('/');
  const keys = target.map((key) => decodeURIComponent(key).replace(/~1/g, '/').replace(/~0/g, '~'));
  return follow(root, keys.reduce((at, key) => at?.[key], root), keys);
}

/** Every operation: {path, verb, operation, place, parameters}, the parameters of its path included. */
export function operations(root) {
  return Object.entries(root.paths ?? {}).flatMap(([path, item]) =>
    verbs
      .filter((verb) => item[verb])
      .map((verb) => ({
        path,
        verb,
        operation: item[verb],
        place: ['paths', path, verb],
        parameters: [...(item.parameters ?? []), ...(item[verb].parameters ?? [])].map(
          (parameter) => follow(root, parameter, [])[0],
        ),
      })),
  );
}

/** Every answer of an operation: {status, response, place}. */
export function answers(root, { operation, place }) {
  return Object.entries(operation.responses ?? {}).map(([status, node]) => {
    const [response, found] = follow(root, node, [...place, 'responses', status]);
    return { status, response: response ?? {}, place: found };
  });
}

/** The media types of a body or an answer: {type, media, place}. */
export function contents(node, place) {
  return Object.entries(node?.content ?? {}).map(([type, media]) => ({
    type,
    media,
    place: [...place, 'content', type],
  }));
}

/** Calls visit(schema, place) for a schema and all that it reaches, each once for one `seen`. */
export function walkSchema(root, node, place, visit, seen = new Set()) {
  const [schema, found] = follow(root, node, place);
  if (!schema || typeof schema !== 'object' || seen.has(schema)) return;
  seen.add(schema);
  visit(schema, found);
  for (const [child, at] of subschemas(schema, found)) walkSchema(root, child, at, visit, seen);
}

/** The schemas written directly within a schema, references not followed: [schema, place]. */
export function subschemas(schema, place) {
  const found = Object.keys(schema.properties ?? {}).map((name) => ['properties', name]);
  if (schema.items) found.push(['items']);
  if (schema.additionalProperties && typeof schema.additionalProperties === 'object') {
    found.push(['additionalProperties']);
  }
  for (const key of ['allOf', 'oneOf', 'anyOf']) {
    (schema[key] ?? []).forEach((_, index) => found.push([key, index]));
  }
  if (schema.not) found.push(['not']);
  return found.map((keys) => [keys.reduce((at, key) => at[key], schema), [...place, ...keys]]);
}
