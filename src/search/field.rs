//! What can be asked of each collection: its fields, their kinds, and the columns where they stand.

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Collection {
    /// Folders of balances.
    Ledgers,
    /// Balances.
    Balances,
    /// Transactions, of every face.
    Transactions,
    /// Whose balances are.
    Identities,
}

/// What a field holds, and so how it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number of any length, stored as a sortable text.
    Amount,
    /// A decimal, stored as a sortable text.
    Decimal,
    /// A whole number of at most 64 bits.
    Integer,
    /// A moment, in microseconds.
    Time,
    /// True or false.
    Flag,
    /// A JSON object as text.
    Json,
}

/// How a field takes part in a search for words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// It does not.
    No,
    /// Its words are found, each by itself.
    Each,
    /// Its text is found by how it begins.
    Start,
}

/// A field of a collection.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, and that of its column.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// How it is searched for words.
    pub words: Words,
}

const fn field(name: &'static str, kind: Kind, words: Words) -> Field {
    Field { name, kind, words }
}

const fn plain(name: &'static str, kind: Kind) -> Field {
    field(name, kind, Words::No)
}

const fn start(name: &'static str) -> Field {
    field(name, Kind::Text, Words::Start)
}

const fn each(name: &'static str) -> Field {
    field(name, Kind::Text, Words::Each)
}

const META: Field = field("meta_data", Kind::Json, Words::Each);
const CREATED: Field = plain("created_at", Kind::Time);

static LEDGERS: [Field; 4] = [start("ledger_id"), each("name"), CREATED, META];

static BALANCES: [Field; 19] = [
    start("balance_id"),
    start("ledger_id"),
    start("identity_id"),
    start("indicator"),
    start("currency"),
    plain("balance", Kind::Amount),
    plain("credit_balance", Kind::Amount),
    plain("debit_balance", Kind::Amount),
    plain("inflight_balance", Kind::Amount),
    plain("inflight_credit_balance", Kind::Amount),
    plain("inflight_debit_balance", Kind::Amount),
    plain("queued_credit_balance", Kind::Amount),
    plain("queued_debit_balance", Kind::Amount),
    plain("precision", Kind::Integer),
    plain("version", Kind::Integer),
    start("allocation_strategy"),
    plain("track_fund_lineage", Kind::Flag),
    CREATED,
    META,
];

static TRANSACTIONS: [Field; 21] = [
    start("transaction_id"),
    start("parent_transaction"),
    start("source"),
    start("destination"),
    each("reference"),
    each("description"),
    start("currency"),
    start("status"),
    plain("amount", Kind::Decimal),
    plain("precise_amount", Kind::Amount),
    plain("precision", Kind::Integer),
    plain("overdraft_limit", Kind::Amount),
    plain("allow_overdraft", Kind::Flag),
    plain("inflight", Kind::Flag),
    plain("skip_queue", Kind::Flag),
    plain("atomic", Kind::Flag),
    CREATED,
    plain("effective_date", Kind::Time),
    plain("scheduled_for", Kind::Time),
    plain("inflight_expiry_date", Kind::Time),
    META,
];

static IDENTITIES: [Field; 19] = [
    start("identity_id"),
    start("identity_type"),
    each("organization_name"),
    each("category"),
    each("first_name"),
    each("last_name"),
    each("other_names"),
    start("gender"),
    each("email_address"),
    start("phone_number"),
    each("nationality"),
    each("street"),
    each("country"),
    each("state"),
    start("post_code"),
    each("city"),
    plain("dob", Kind::Time),
    CREATED,
    META,
];

impl Collection {
    /// Each.
    pub const ALL: [Self; 4] = [
        Self::Ledgers,
        Self::Balances,
        Self::Transactions,
        Self::Identities,
    ];

    /// The word on the wire, and the table's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ledgers => "ledgers",
            Self::Balances => "balances",
            Self::Transactions => "transactions",
            Self::Identities => "identities",
        }
    }

    /// The one of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }

    /// Its fields; the first is its id.
    #[must_use]
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Ledgers => &LEDGERS,
            Self::Balances => &BALANCES,
            Self::Transactions => &TRANSACTIONS,
            Self::Identities => &IDENTITIES,
        }
    }

    /// The name of its id's field.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.fields().first().map_or("", |field| field.name)
    }

    /// The field of that name; `id` is its id.
    #[must_use]
    pub fn field(self, name: &str) -> Option<&'static Field> {
        let name = if name == "id" { self.id() } else { name };
        self.fields().iter().find(|field| field.name == name)
    }

    /// The fields whose words are in the index of words.
    pub fn worded(self) -> impl Iterator<Item = &'static Field> {
        let fields = self.fields().iter();
        fields.filter(|field| field.words == Words::Each)
    }
}
