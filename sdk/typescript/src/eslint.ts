// An ESLint plugin without dependencies: it sees by the syntax alone that a question's answer is not waited for.

/** As much of a syntax tree's node as the rule looks at. */
interface Node {
  type: string;
  parent?: Node | undefined;
  [member: string]: unknown;
}
interface Variable {
  references: readonly { isRead(): boolean; identifier: unknown }[];
}
/** As much of ESLint's context as the rule uses. */
interface Context {
  sourceCode: { getDeclaredVariables(node: never): readonly Variable[] };
  report(problem: { node: never; messageId: string; data: { name: string } }): void;
}

const QUESTIONS = new Set(["check", "decide", "enforce"]);

/** Whether the truth of `node` decides something. */
function decides(node: Node): boolean {
  const parent = node.parent;
  switch (parent?.type) {
    case "IfStatement":
    case "WhileStatement":
    case "DoWhileStatement":
    case "ForStatement":
    case "ConditionalExpression":
      return parent.test === node || (parent.type === "ConditionalExpression" && decides(parent));
    case "UnaryExpression":
      return parent.operator === "!";
    case "LogicalExpression":
      return (parent.left === node && parent.operator !== "??") || decides(parent);
    case "BinaryExpression":
      return ["==", "===", "!=", "!=="].includes(String(parent.operator));
    case "CallExpression": {
      const callee = parent.callee as Node;
      return callee.type === "Identifier" && callee.name === "Boolean";
    }
    case "ChainExpression":
    case "TSAsExpression":
    case "TSNonNullExpression":
    case "TSSatisfiesExpression":
    case "TSTypeAssertion":
      return decides(parent);
    default:
      return false;
  }
}

const awaitChecks = {
  meta: {
    type: "problem",
    docs: { description: "wants `check`, `decide` and `enforce` awaited before they decide anything" },
    schema: [],
    messages: {
      forgotten: "`{{name}}` gives a promise, which is always true: put `await` before it.",
      object: "`{{name}}` gives a decision, which is always true even if it denies: look at its `allowed`, or use `check`.",
    },
  },
  create(context: Context) {
    return {
      CallExpression(call: unknown): void {
        const node = call as Node;
        const callee = node.callee as Node;
        const name = callee.type === "MemberExpression" && callee.computed === false ? String((callee.property as Node).name) : "";
        if (!QUESTIONS.has(name)) return;
        let value = node;
        while (value.parent?.type === "ChainExpression") value = value.parent;
        const isAwaited = value.parent?.type === "AwaitExpression";
        if (isAwaited && name === "check") return;
        if (isAwaited) value = value.parent!;
        const tell = (at: unknown): void => context.report({ node: at as never, messageId: isAwaited ? "object" : "forgotten", data: { name } });
        if (decides(value)) tell(value);
        const holder = value.parent;
        if (holder?.type !== "VariableDeclarator" || holder.init !== value) return;
        for (const variable of context.sourceCode.getDeclaredVariables(holder as never)) {
          for (const reference of variable.references) if (reference.isRead() && decides(reference.identifier as Node)) tell(reference.identifier);
        }
      },
    };
  },
} as const;

/** Flat configuration: `import agentguard from "@agentguard/sdk/eslint"; export default [agentguard.configs.recommended];` */
const plugin = {
  meta: { name: "@agentguard/sdk" },
  rules: { "await-checks": awaitChecks },
  configs: {
    recommended: {
      name: "@agentguard/sdk/recommended",
      plugins: { "@agentguard": { rules: { "await-checks": awaitChecks } } },
      rules: { "@agentguard/await-checks": "error" },
    },
  },
} as const;

export default plugin;
