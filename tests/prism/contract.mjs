// The operations of Pipedrive's own client: `GET /deals` of v1 and v2, each with the parameters that it sends.
import { readFileSync, readdirSync } from 'node:fs';

const found = {};
for (const version of ['v1', 'v2']) {
  const folder = new URL(`./node_modules/pipedrive/dist/versions/${version}/api/`, import.meta.url);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.js'))) {
    const source = readFileSync(new URL(file, folder), 'utf8');
    for (const part of source.split(/const localVarPath = /).slice(1)) {
      const path = /^`([^`]+)`/.exec(part);
      const method = /method: '([A-Z]+)'/.exec(part);
      if (!path || !method) continue;
      const body = part.split('return {')[0];
      const names = [...body.matchAll(/localVarQueryParameter\['([^']+)'\]/g)].map((match) => match[1]);
      found[`${version} ${method[1]} ${path[1]}`] = [...new Set(names)];
    }
  }
}
console.log(JSON.stringify(found));
