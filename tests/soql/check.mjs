// Which of the queries on standard input, a JSON array, are valid SOQL.
import { readFileSync } from 'node:fs';
import { isQueryValid } from '@jetstreamapp/soql-parser-js';

const queries = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(queries.map((query) => isQueryValid(query))));
