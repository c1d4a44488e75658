// Compiles a folder of Cube files and prints, as JSON, the SQL of every measure by month of its time dimension.
// The files hold no Jinja templates, so that the native extension that would render them is not needed.
const fs = require('fs');
const path = require('path');
const native = require('@cubejs-backend/native');
const { prepareCompiler, PostgresQuery } = require('@cubejs-backend/schema-compiler');

native.NativeInstance.prototype.newJinjaEngine = () => ({});

async function main([folder, from, to]) {
  const files = fs.readdirSync(folder).map((name) => ({
    fileName: name,
    content: fs.readFileSync(path.join(folder, name), 'utf8'),
  }));
  const compilers = prepareCompiler({ localPath: () => folder, dataSchemaFiles: async () => files }, { adapter: 'postgres' });
  await compilers.compiler.compile();
  const found = {};
  for (const cube of compilers.metaTransformer.cubes) {
    for (const measure of cube.config.measures) {
      const day = measure.meta.time_dimension;
      const dimension = `${cube.config.name}.${day}`;
      const query = new PostgresQuery(compilers, {
        measures: [measure.name],
        timeDimensions: [{ dimension, granularity: 'month', dateRange: [from, to] }],
        timezone: 'UTC',
      });
      const [sql, values] = query.buildSqlAndParams();
      found[measure.name.split('.')[1]] = { sql, values };
    }
  }
  process.stdout.write(JSON.stringify(found));
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
