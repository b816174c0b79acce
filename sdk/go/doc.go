// Package agentguard asks an AgentGuard server what an agent may do.
//
// Nothing is allowed by accident: only a decision whose verdict is exactly ALLOW lets an act happen.
package agentguard

// Version of this SDK.
const Version = "0.1.0"
