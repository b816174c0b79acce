import agentguard from "@agentguard/sdk/eslint";
export default [agentguard.configs.recommended];
