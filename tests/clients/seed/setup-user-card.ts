// Complete Example: setup-user-card.ts
import { SDK } from "@bloque/sdk";
import type { CardAccount } from "@bloque/sdk";

import { assert, config, newHolder } from "../house.js";

const bloque = new SDK(config);

async function setupUserCard(userUrn: string): Promise<{ success: boolean; card: CardAccount }> {
  try {
    // Connect to user session
    const userSession = await bloque.connect(userUrn);

    // Create a virtual card
    const card = await userSession.accounts.card.create({
      holderUrn: userUrn,
      name: "Main Card",
    });

    console.log("✓ Card created:", card.lastFour);

    // Check balance
    const balances = await bloque.accounts.card.balance({
      urn: card.urn,
    });

    console.log("✓ Current balances:");
    Object.entries(balances).forEach(([token, balance]) => {
      console.log(`  ${token}: ${balance.current}`);
    });

    // Get recent transactions
    const movements = await bloque.accounts.card.movements({
      urn: card.urn,
      asset: "DUSD/6",
      limit: 10,
    });

    console.log(`✓ Found ${movements.data.length} recent transactions`);
    assert.equal(movements.data.length, 0);
    assert.equal(movements.pageSize, 10);

    return { success: true, card };
  } catch (error) {
    console.error("✗ Setup failed:", error);
    throw error;
  }
}

const { urn } = await newHolder();
const { success, card } = await setupUserCard(urn);
assert.ok(success);
assert.equal(card.status, "active");
