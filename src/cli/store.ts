import { exampleFile } from "./example-file.js"
import type { Command } from "./terminal.js"

interface Example {
  readonly code: string
  readonly table?: string
  /** A table in a language of its own, which belongs in another file. */
  readonly schema?: string
}

// The files that the contract for stores is run with, below `examples/`.
const examples: Readonly<Record<string, Example>> = {
  postgres: { code: "stores/postgres.ts", table: "stores/postgres.sql" },
  "postgres-unique": { code: "stores/postgres-unique.ts", table: "stores/postgres-unique.sql" },
  kysely: { code: "stores/kysely.ts", table: "stores/postgres.sql" },
  drizzle: { code: "stores/drizzle.ts", table: "stores/postgres.sql" },
  mariadb: { code: "stores/mariadb.ts", table: "stores/mariadb.sql" },
  sqlite: { code: "stores/sqlite.ts" },
  prisma: { code: "prisma/store.ts", schema: "prisma/schema.prisma" },
}

/** Prints a user store with its table. */
export const store: Command = {
  usage: [
    "  keycloak-gate store NAME",
    "    Prints a user store and its table, for a file of your own, such as",
    "    src/user-store.ts. NAME is one of:",
    `    ${Object.keys(examples).join(", ")}`,
  ].join("\n"),
  async run(args, { print, printError }) {
    const [name = "", ...more] = args
    const example = Object.hasOwn(examples, name) && more.length === 0 ? examples[name] : undefined
    if (example === undefined) {
      printError(`store takes one name.\n\n${store.usage}`)
      return 2
    }
    print(printed(example))
    return 0
  },
}

const rowImport = /^import type \{[^}]*\} from "\.\/row\.ts"\n/m

/** One file that imports nothing of this package but the package. */
function printed({ code, table, schema }: Example): string {
  const text = exampleFile(code)
  const parts = [
    schema === undefined ? "" : `/* schema.prisma, beside this file:\n\n${exampleFile(schema)}*/`,
    text.replace(rowImport, ""),
    rowImport.test(text) ? exampleFile("stores/row.ts") : "",
    table === undefined
      ? ""
      : `/** The table. It is there after \`query(userTable)\`. */\nexport const userTable = \`\n${exampleFile(table)}\`\n`,
  ]
  return parts.filter(Boolean).join("\n").trimEnd()
}
