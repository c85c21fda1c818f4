"""The words of a statement in Russian, Kyrgyz and English."""

from typing import Literal, get_args

Language = Literal["ru", "ky", "en"]
LANGUAGES: tuple[str, ...] = get_args(Language)

_TEXTS: dict[str, tuple[str, str, str]] = {
    "title": (
        "Выписка участника коллективного майнинга",
        "Жамааттык майнинг катышуучусунун көчүрмөсү",
        "Statement of a participant in collective mining",
    ),
    "participant": ("Участник", "Катышуучу", "Participant"),
    "period": ("Период", "Мезгил", "Period"),
    "incomplete": (
        "Период ещё не окончен",
        "Мезгил али бүтө элек",
        "The period is not over yet",
    ),
    "digest": (
        "SHA-256 вложенной записи JSON",
        "Тиркелген JSON жазуусунун SHA-256 суммасы",
        "SHA-256 of the attached JSON record",
    ),
    "units": (
        "Суммы в сомах (1 сом = 100 тыйынов), количество в BTC (1 BTC = 100 000 000 сатоши)",
        "Суммалар сом менен (1 сом = 100 тыйын), саны BTC менен (1 BTC = 100 000 000 сатоши)",
        "Amounts in som (1 som = 100 tyiyn), quantities in BTC (1 BTC = 100,000,000 satoshi)",
    ),
    "balances": ("Остатки", "Калдыктар", "Balances"),
    "opening": ("На начало", "Башында", "Opening"),
    "closing": ("На конец", "Аягында", "Closing"),
    "pending": ("Ожидает зрелости, BTC", "Бышып жетилүүнү күтөт, BTC", "Waiting to mature, BTC"),
    "mature": ("Зрелые, BTC", "Бышып жетилген, BTC", "Mature, BTC"),
    "due": ("К выплате, сом", "Төлөнө турган, сом", "Due, som"),
    "leaving": ("Из них в пути, сом", "Анын ичинен жолдо, сом", "Of it on its way, som"),
    "credited": ("зачислено за лоты", "лоттор үчүн эсепке түштү", "credited for lots"),
    "lots": ("Проданные лоты", "Сатылган лоттор", "Lots sold"),
    "payouts": ("Выплаты", "Төлөмдөр", "Payouts"),
    "coins": ("Движение BTC", "BTC кыймылы", "Movements of BTC"),
    "total": ("Итого", "Жыйынтык", "Total"),
    "nothing": ("Движений нет", "Кыймыл жок", "No movements"),
    "at": ("Время", "Убактысы", "Time"),
    "height": ("Блок", "Блок", "Block"),
    "lot": ("Лот", "Лот", "Lot"),
    "venue": ("Площадка", "Аянтча", "Venue"),
    "amount": ("BTC", "BTC", "BTC"),
    "price": ("Цена, сом за BTC", "Баасы, BTC үчүн сом", "Price, som for a BTC"),
    "gross": ("Выручка", "Түшүм", "Gross"),
    "venue_fee": ("Сбор площадки", "Аянтчанын жыйымы", "Venue fee"),
    "pool_fee": ("Сбор пула", "Пулдун жыйымы", "Pool fee"),
    "net": ("К зачислению", "Эсепке түшөт", "Net"),
    "order": ("Приказ о сборе", "Жыйым буйругу", "Fee order"),
    "kind": ("Операция", "Операция", "Movement"),
    "id": ("Идентификатор", "Идентификатору", "Identification"),
    "account": ("Счёт", "Эсеп", "Account"),
    "reason": ("Причина", "Себеби", "Reason"),
    "som": ("Сом", "Сом", "Som"),
    "found": ("найден блок", "блок табылды", "block found"),
    "matured": ("созрело", "бышып жетилди", "matured"),
    "orphaned": ("блок не принят сетью", "блокту тармак кабыл алган жок", "block orphaned"),
    "sold": ("продано", "сатылды", "sold"),
    "written_off": ("списано", "эсептен чыгарылды", "written off"),
    "ordered": ("поручено банку", "банкка тапшырылды", "ordered"),
    "paid": ("выплачено", "төлөндү", "paid"),
    "rejected": ("отклонено банком", "банк четке какты", "rejected by the bank"),
    "returned": ("возвращено банком", "банк кайтарды", "returned by the bank"),
}


def text_of(name: str, language: Language) -> str:
    """Return a word or sentence in a language."""
    return _TEXTS[name][LANGUAGES.index(language)]


def names() -> frozenset[str]:
    """Return what there are texts for."""
    return frozenset(_TEXTS)


def btc(satoshi: int, language: Language) -> str:
    """Satoshi as bitcoins with eight decimals, exactly."""
    return _exactly(satoshi, 8, language)


def som(tyiyn: int, language: Language) -> str:
    """Tyiyn as som with two decimals, exactly."""
    return _exactly(tyiyn, 2, language)


def _exactly(amount: int, decimals: int, language: Language) -> str:
    """Write an amount as its language does: 1,234.56 in English, else 1 234,56."""
    whole, rest = divmod(abs(amount), 10**decimals)
    thousands, point = (",", ".") if language == "en" else ("\N{NO-BREAK SPACE}", ",")
    sign = "-" if amount < 0 else ""
    return f"{sign}{f'{whole:,}'.replace(',', thousands)}{point}{rest:0{decimals}}"
