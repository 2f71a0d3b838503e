// How schemas are written, so that oapi-codegen, openapi-typescript and the validators all read the same in them.
import { follow, rule } from './document.js';

function eachSchema(check) {
  return () => ({
    Schema(schema, ctx) {
      const place = ctx.location.pointer.replace(/^#\//, '').split('/');
      check(schema, ctx, place);
    },
  });
}

const named = (place) => place.length === 3 && place[0] === 'components' && place[1] === 'schemas';

export const schemaRules = {
  // An inline object becomes an anonymous struct, which no caller can name.
  'no-inline-objects': eachSchema((schema, ctx, place) => {
    const inAllOf = place[place.length - 2] === 'allOf';
    if ((schema.properties || schema.oneOf) && !named(place) && !inAllOf) {
      ctx.report({ message: 'An object with properties, or a oneOf, belongs under components/schemas with a name.' });
    }
    if (Array.isArray(schema.enum) && schema.enum.length > 1 && !named(place)) {
      ctx.report({ message: 'An enum of several values belongs under components/schemas with a name.' });
    }
  }),

  // nullable counts only beside a type, or around exactly one reference.
  'nullable-form': eachSchema((schema, ctx) => {
    if (!schema.nullable || schema.type) return;
    if (schema.allOf?.length !== 1 || !schema.allOf[0].$ref) {
      ctx.report({ message: 'nullable needs a type beside it, or an allOf of exactly one reference.' });
    }
  }),

  // `required` with readOnly becomes an optional pointer in Go: create, update and read forms are separate schemas.
  'no-read-only': eachSchema((schema, ctx) => {
    for (const key of ['readOnly', 'writeOnly']) {
      if (schema[key] !== undefined) ctx.report({ message: `${key}: write separate schemas for reading and writing.` });
    }
  }),

  // Without a mapping, generators guess the branch and validators report every branch.
  'mapped-unions': rule((root, report) => {
    for (const [name, schema] of Object.entries(root.components?.schemas ?? {})) {
      const place = ['components', 'schemas', name];
      if (schema.anyOf) report(place, 'anyOf has no single Go or TypeScript type: use oneOf with a discriminator.');
      if (!schema.oneOf) continue;
      const property = schema.discriminator?.propertyName;
      const mapping = schema.discriminator?.mapping ?? {};
      if (!property) {
        report(place, 'oneOf needs a discriminator with a mapping.');
        continue;
      }
      const branches = schema.oneOf.map((branch) => branch.$ref);
      for (const branch of branches) {
        if (!Object.values(mapping).includes(branch)) report(place, `The mapping does not name ${branch}.`);
      }
      for (const [value, ref] of Object.entries(mapping)) {
        const [branch] = follow(root, { $ref: ref }, []);
        if (!branches.includes(ref)) report(place, `The mapping names ${ref}, which is no branch.`);
        if (!branch?.required?.includes(property)) report(place, `${ref} does not require ${property}.`);
        const [discriminator] = follow(root, branch?.properties?.[property], []);
        if (!discriminator?.enum?.includes(value)) report(place, `${ref}.${property} does not allow '${value}'.`);
      }
    }
  }),
};
