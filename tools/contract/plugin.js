// The rules of the contract that a general linter does not know. Each has a reason: a generator or a validator that
// misreads the construct, or a promise that docs and clients rely on.
import { bodyRules } from './bodies.js';
import { nameRules } from './names.js';
import { operationRules } from './operations.js';
import { schemaRules } from './schemas.js';

export default function contractPlugin() {
  return {
    id: 'contract',
    rules: { oas3: { ...schemaRules, ...bodyRules, ...operationRules, ...nameRules } },
  };
}
