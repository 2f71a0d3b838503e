// What travels: requests are strict, answers are whole, and each has an example.
import { answers, contents, follow, operations, rule, walkSchema } from './document.js';

const isJSON = (type) => /[/+]json$/.test(type);

function requestBodies(root) {
  return operations(root)
    .filter(({ operation }) => operation.requestBody)
    .flatMap(({ operation, place }) => {
      const [body, at] = follow(root, operation.requestBody, [...place, 'requestBody']);
      return contents(body, at).map((content) => ({ ...content, operation }));
    });
}

function answerBodies(root, wanted) {
  return operations(root).flatMap((each) =>
    answers(root, each)
      .filter(({ status }) => wanted.test(status))
      .flatMap(({ status, response, place }) =>
        contents(response, place).map((content) => ({ ...content, status, operation: each.operation })),
      ),
  );
}

export const bodyRules = {
  // A misspelt field is an error, never silently ignored.
  'strict-requests': rule((root, report, { except = [] }) => {
    const seen = new Set();
    for (const { media, place, operation } of requestBodies(root)) {
      if (except.includes(operation.operationId)) continue;
      walkSchema(root, media.schema, [...place, 'schema'], (schema, at) => {
        if (schema.properties && schema.additionalProperties !== false) {
          report(at, 'An object in a request needs additionalProperties: false.');
        }
      }, seen);
    }
  }),

  // A field that is sometimes missing is a second kind of null.
  'whole-answers': rule((root, report, { except = [] }) => {
    const seen = new Set();
    for (const { type, media, place } of answerBodies(root, /^2/)) {
      if (!isJSON(type)) continue;
      walkSchema(root, media.schema, [...place, 'schema'], (schema, at) => {
        for (const name of Object.keys(schema.properties ?? {})) {
          if (schema.required?.includes(name) || except.includes(name)) continue;
          report([...at, 'properties', name], `${name} is in an answer, so it is required (and nullable where it must be).`);
        }
      }, seen);
    }
  }),

  // New values of a status must not break a client that was generated before them.
  'open-answers': rule((root, report, { except = [] }) => {
    const seen = new Set();
    for (const { type, media, place } of answerBodies(root, /./)) {
      if (!isJSON(type)) continue;
      walkSchema(root, media.schema, [...place, 'schema'], (schema, at) => {
        const name = at[at.length - 1];
        if (schema.enum && !except.includes(name)) {
          report(at, 'An enum in an answer is closed for ever: use a string, and tell its values in the description.');
        }
      }, seen);
    }
  }),

  // Two success schemas would be two types in a client, and a cast at every call.
  'one-success-schema': rule((root, report) => {
    for (const each of operations(root)) {
      const schemas = answers(root, each)
        .filter(({ status }) => /^2/.test(status))
        .flatMap(({ response, place }) => contents(response, place))
        .map(({ type, media }) => `${type} ${JSON.stringify(media.schema)}`);
      if (new Set(schemas).size > 1) report(each.place, 'The successes of one operation have one schema.');
    }
  }),

  // The docs page shows an example of everything that is sent.
  'examples-present': rule((root, report, { except = [] }) => {
    const bodies = [...requestBodies(root), ...answerBodies(root, /./)].filter(
      ({ type, operation }) => isJSON(type) && !except.includes(operation.operationId),
    );
    const reported = new Set();
    for (const { media, place, operation } of bodies) {
      const examples = Object.keys(media.examples ?? {}).length;
      if (examples > 0 || media.example !== undefined || reported.has(media)) continue;
      reported.add(media);
      report(place, `${operation.operationId}: a JSON body needs an example.`);
    }
  }),

  // Every error is a problem document.
  'errors-are-problems': rule((root, report) => {
    for (const each of operations(root)) {
      for (const { status, response, place } of answers(root, each)) {
        if (!/^[45]|default/.test(status)) continue;
        const types = Object.keys(response.content ?? {});
        if (types.length !== 1 || types[0] !== 'application/problem+json') {
          report(place, `${each.operation.operationId} ${status}: an error is application/problem+json and nothing else.`);
        }
      }
    }
  }),
};
