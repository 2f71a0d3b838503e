// One way of naming, so that a reader who knows one operation can guess the next.
import { operations, rule } from './document.js';

const path = /^(\/v1(\/([a-z]+(-[a-z]+)*(\.[a-z]+)?|\{[a-z]+(_[a-z]+)*\}))+|\/[a-z]+(\.[a-z]+)?)$/;
const snake = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const verb = /^[a-z]+([A-Z][a-z]*)*$/;

const formats = [
  [/_at$/, 'date-time', 'an instant'],
  [/_on$/, 'date', 'a civil date'],
];

export const nameRules = {
  'path-form': rule((root, report) => {
    for (const name of Object.keys(root.paths ?? {})) {
      if (!path.test(name)) report(['paths', name], 'A path is /v1/ and kebab-case segments, its parameters snake_case.');
    }
  }),

  'operation-form': rule((root, report) => {
    for (const { operation, place } of operations(root)) {
      if (!verb.test(operation.operationId ?? '')) report(place, 'An operationId is a verb and what it acts on: listPeople.');
      if (operation.tags?.length !== 1) report(place, 'An operation has exactly one tag.');
      if (/\.$/.test(operation.summary ?? '')) report(place, 'A summary is a heading, without a full stop.');
      if ((operation.description ?? '').length < 40) report(place, 'A description tells more than the summary.');
    }
  }),

  'parameter-form': () => ({
    Parameter(parameter, ctx) {
      if (parameter.in !== 'header' && !snake.test(parameter.name)) {
        ctx.report({ message: `${parameter.name}: query and path parameters are snake_case.` });
      }
    },
  }),

  'field-form': () => ({
    Schema(schema, ctx) {
      for (const [name, property] of Object.entries(schema.properties ?? {})) {
        const location = ctx.location.child(['properties', name]);
        if (!snake.test(name)) ctx.report({ message: `${name}: fields are snake_case.`, location });
        for (const [suffix, format, meaning] of formats) {
          const plain = !property.$ref && !property.allOf;
          if (plain && suffix.test(name) && property.format !== format) {
            ctx.report({ message: `${name} is ${meaning}: format ${format}.`, location });
          }
        }
      }
    },
  }),
};
