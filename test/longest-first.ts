import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Test files that take longest, most of it waiting; begun last, they would keep all of `npm test` waiting. */
const longest: readonly string[] = [
  "test/live/realm-contract.test.ts",
  "test/faults/live/restart.test.ts",
  "test/types/consumers.test.ts",
  "test/runtimes/run-times.test.ts",
  "test/live/prisma.test.ts",
  "test/faults/live/fault-matrix.test.ts",
  "test/live/demo.test.ts",
  "test/faults/outages.test.ts",
  "test/examples/held-connections.test.ts",
  "test/live/keycloak/harness.test.ts",
  "test/faults/live/accounts.test.ts",
  "test/docs/programs.test.ts",
  "test/faults/lost-registrations.test.ts",
  "test/faults/half-done-verbs.test.ts",
  "test/faults/live/registration.test.ts",
  "test/faults/live/kills.test.ts",
]

/** The longest files first, then those of all projects among each other, larger ones first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rankOf = ({ moduleId }: TestSpecification) => {
      const rank = longest.findIndex(file => moduleId.endsWith(file))
      return rank === -1 ? longest.length : rank
    }
    return sorted.sort((one, other) => rankOf(one) - rankOf(other))
  }
}
