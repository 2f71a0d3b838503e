// What an operation promises beside its bodies: its errors, its preconditions, its repeats.
import { answers, follow, operations, rule } from './document.js';

const takes = (parameters, place, name) =>
  parameters.some((parameter) => parameter?.in === place && parameter.name === name);

export const operationRules = {
  // Every error an operation can give is in the contract.
  'errors-documented': rule((root, report, { except = [] }) => {
    for (const { operation, verb, place, parameters } of operations(root)) {
      if (except.includes(operation.operationId)) continue;
      const open = (operation.security ?? root.security ?? []).length === 0;
      const expected = [];
      if (!open) expected.push('401', '429', '500');
      if (parameters.length > 0 || operation.requestBody) expected.push('400');
      if (operation.requestBody) expected.push('413', '415');
      if (takes(parameters, 'header', 'If-Match')) expected.push('412', '428');
      if (takes(parameters, 'header', 'Idempotency-Key')) expected.push('409', '422');
      if (verb !== 'put' && parameters.some((parameter) => parameter?.in === 'path')) expected.push('404');
      for (const status of expected) {
        if (!operation.responses?.[status]) report(place, `${operation.operationId} does not document ${status}.`);
      }
    }
  }),

  // Optimistic concurrency: what changes an existing resource names the version it saw. Upserts and actions do not.
  'preconditions': rule((root, report) => {
    for (const { path, verb, operation, place, parameters } of operations(root)) {
      const upsert = path.includes('/by-external-id/');
      const expected = ['put', 'patch', 'delete'].includes(verb) && !upsert;
      if (expected !== takes(parameters, 'header', 'If-Match')) {
        report(place, `${operation.operationId}: If-Match ${expected ? 'is missing' : 'has no meaning here'}.`);
      }
    }
  }),

  // A lost answer can be asked for again.
  'repeatable-posts': rule((root, report, { except = [] }) => {
    for (const { verb, operation, place, parameters } of operations(root)) {
      if (verb !== 'post' || except.includes(operation.operationId)) continue;
      if (!takes(parameters, 'header', 'Idempotency-Key')) {
        report(place, `${operation.operationId}: a POST that changes anything takes an Idempotency-Key.`);
      }
    }
  }),

  // A created resource says where it is and which version it is.
  'created-headers': rule((root, report, { except = [] }) => {
    for (const each of operations(root)) {
      if (except.includes(each.operation.operationId)) continue;
      for (const { status, response, place } of answers(root, each)) {
        const wanted = { 201: ['Location', 'ETag'], 202: ['Location'] }[status] ?? [];
        for (const name of wanted) {
          const [header] = follow(root, response.headers?.[name], []);
          if (!header?.required) report(place, `${each.operation.operationId} ${status}: ${name} is a required header.`);
        }
      }
    }
  }),

  // Keyset paging is the same everywhere.
  'paged-lists': rule((root, report) => {
    for (const each of operations(root)) {
      const [response] = follow(root, each.operation.responses?.['200'], []);
      const [schema] = follow(root, response?.content?.['application/json']?.schema, []);
      if (!schema?.properties?.next_cursor) continue;
      if (!schema.properties.items) report(each.place, 'A page has items beside next_cursor.');
      for (const name of ['limit', 'cursor']) {
        if (!takes(each.parameters, 'query', name)) report(each.place, `A paged list takes ${name}.`);
      }
    }
  }),
};
