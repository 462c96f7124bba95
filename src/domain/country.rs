//! Countries by their codes: what a merchant's country is compared by.

/// ISO 3166-1, in the order of its alpha-2 codes: alpha-2, alpha-3, numeric.
///
/// Source: iso-codes 4, `iso_3166-1.json`.
const TABLE: &[u8] = b"\
    ADAND020AEARE784AFAFG004AGATG028AIAIA660ALALB008AMARM051AOAGO024AQATA010ARARG032ASASM016\
    ATAUT040AUAUS036AWABW533AXALA248AZAZE031BABIH070BBBRB052BDBGD050BEBEL056BFBFA854BGBGR100\
    BHBHR048BIBDI108BJBEN204BLBLM652BMBMU060BNBRN096BOBOL068BQBES535BRBRA076BSBHS044BTBTN064\
    BVBVT074BWBWA072BYBLR112BZBLZ084CACAN124CCCCK166CDCOD180CFCAF140CGCOG178CHCHE756CICIV384\
    CKCOK184CLCHL152CMCMR120CNCHN156COCOL170CRCRI188CUCUB192CVCPV132CWCUW531CXCXR162CYCYP196\
    CZCZE203DEDEU276DJDJI262DKDNK208DMDMA212DODOM214DZDZA012ECECU218EEEST233EGEGY818EHESH732\
    ERERI232ESESP724ETETH231FIFIN246FJFJI242FKFLK238FMFSM583FOFRO234FRFRA250GAGAB266GBGBR826\
    GDGRD308GEGEO268GFGUF254GGGGY831GHGHA288GIGIB292GLGRL304GMGMB270GNGIN324GPGLP312GQGNQ226\
    GRGRC300GSSGS239GTGTM320GUGUM316GWGNB624GYGUY328HKHKG344HMHMD334HNHND340HRHRV191HTHTI332\
    HUHUN348IDIDN360IEIRL372ILISR376IMIMN833ININD356IOIOT086IQIRQ368IRIRN364ISISL352ITITA380\
    JEJEY832JMJAM388JOJOR400JPJPN392KEKEN404KGKGZ417KHKHM116KIKIR296KMCOM174KNKNA659KPPRK408\
    KRKOR410KWKWT414KYCYM136KZKAZ398LALAO418LBLBN422LCLCA662LILIE438LKLKA144LRLBR430LSLSO426\
    LTLTU440LULUX442LVLVA428LYLBY434MAMAR504MCMCO492MDMDA498MEMNE499MFMAF663MGMDG450MHMHL584\
    MKMKD807MLMLI466MMMMR104MNMNG496MOMAC446MPMNP580MQMTQ474MRMRT478MSMSR500MTMLT470MUMUS480\
    MVMDV462MWMWI454MXMEX484MYMYS458MZMOZ508NANAM516NCNCL540NENER562NFNFK574NGNGA566NINIC558\
    NLNLD528NONOR578NPNPL524NRNRU520NUNIU570NZNZL554OMOMN512PAPAN591PEPER604PFPYF258PGPNG598\
    PHPHL608PKPAK586PLPOL616PMSPM666PNPCN612PRPRI630PSPSE275PTPRT620PWPLW585PYPRY600QAQAT634\
    REREU638ROROU642RSSRB688RURUS643RWRWA646SASAU682SBSLB090SCSYC690SDSDN729SESWE752SGSGP702\
    SHSHN654SISVN705SJSJM744SKSVK703SLSLE694SMSMR674SNSEN686SOSOM706SRSUR740SSSSD728STSTP678\
    SVSLV222SXSXM534SYSYR760SZSWZ748TCTCA796TDTCD148TFATF260TGTGO768THTHA764TJTJK762TKTKL772\
    TLTLS626TMTKM795TNTUN788TOTON776TRTUR792TTTTO780TVTUV798TWTWN158TZTZA834UAUKR804UGUGA800\
    UMUMI581USUSA840UYURY858UZUZB860VAVAT336VCVCT670VEVEN862VGVGB092VIVIR850VNVNM704VUVUT548\
    WFWLF876WSWSM882YEYEM887YTMYT175ZAZAF710ZMZMB894ZWZWE716";

/// A country, by the three capitals of its ISO 3166-1 alpha-3 code.
pub type Country = [u8; 3];

/// The country that a text names by its alpha-2, alpha-3 or numeric code, in whatever case.
///
/// A network knows codes that no standard lists (`XKX` for Kosovo): three letters are taken as they
/// are, so that a list can name what a merchant shows. See [`is_listed`].
#[must_use]
pub fn country(text: &str) -> Option<Country> {
    match *text.as_bytes() {
        [a, b] => alpha_3_of([a.to_ascii_uppercase(), b.to_ascii_uppercase()]),
        [a, b, c] if [a, b, c].iter().all(u8::is_ascii_digit) => alpha_3_numbered([a, b, c]),
        [a, b, c] if [a, b, c].iter().all(u8::is_ascii_alphabetic) => {
            Some([a, b, c].map(|letter| letter.to_ascii_uppercase()))
        }
        _ => None,
    }
}

/// Whether the standard lists that code, or leaves it to its users (`XAA` to `XZZ`).
#[must_use]
pub fn is_listed(code: Country) -> bool {
    code.first() == Some(&b'X') || rows().any(|(_, alpha_3, _)| alpha_3 == code)
}

fn rows() -> impl Iterator<Item = ([u8; 2], Country, [u8; 3])> {
    TABLE.chunks_exact(8).filter_map(|row| match *row {
        [a, b, c, d, e, f, g, h] => Some(([a, b], [c, d, e], [f, g, h])),
        _ => None,
    })
}

fn alpha_3_of(code: [u8; 2]) -> Option<Country> {
    rows()
        .find(|(alpha_2, ..)| *alpha_2 == code)
        .map(|(_, alpha_3, _)| alpha_3)
}

fn alpha_3_numbered(code: [u8; 3]) -> Option<Country> {
    rows()
        .find(|(_, _, number)| *number == code)
        .map(|(_, alpha_3, _)| alpha_3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_name_countries() {
        let check = |text: &str, expect: Option<&[u8; 3]>| {
            assert_eq!(country(text), expect.copied(), "{text:?}");
        };
        check("US", Some(b"USA"));
        check("us", Some(b"USA"));
        check("USA", Some(b"USA"));
        check("Usa", Some(b"USA"));
        check("840", Some(b"USA"));
        check("CO", Some(b"COL"));
        check("GB", Some(b"GBR"));
        check("170", Some(b"COL"));
        check("004", Some(b"AFG"));
        check("ZW", Some(b"ZWE"));
        check("AD", Some(b"AND"));
        check("XKX", Some(b"XKX"));
        for wrong in [
            "",
            "U",
            "XX",
            "999",
            "U1",
            "U1A",
            "United States",
            "é",
            "éa",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn the_table_is_whole_and_in_order() {
        assert_eq!(TABLE.len(), 249 * 8);
        let all: Vec<_> = rows().collect();
        assert!(all.is_sorted_by(|a, b| a.0 < b.0));
        assert!(all.iter().all(|row| is_listed(row.1)));
        assert!(is_listed(*b"XKX") && !is_listed(*b"QQQ"));
    }
}
