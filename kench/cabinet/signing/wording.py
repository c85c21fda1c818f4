"""What a person is shown and signs, word for word, in three languages.

Not in the catalogues of the pages: a translation that is improved there must change nothing that
is signed. The lines before the empty one say what for, where, and until when; then comes the body.
"""

from dataclasses import dataclass
from enum import StrEnum

SYSTEM = {
    "ky": "Жамааттык майнингдин бирдиктүү мамлекеттик системасы (Кенч)",
    "ru": "Единая государственная система коллективного майнинга (Кенч)",
    "en": "Unified State System of Collective Mining (Kench)",
}
LANGUAGES = tuple(SYSTEM)


class Purpose(StrEnum):
    """What a signature is asked for."""

    LOGIN = "login"
    APPLICATION = "application"
    NOTICE = "notice"
    WITHDRAWAL = "withdrawal"
    DECISION = "decision"
    EXCLUSION = "exclusion"
    SUSPENSION = "suspension"
    LIFTING = "lifting"
    MESSAGE = "message"
    ANSWER = "answer"
    ORDER = "order"
    LOT = "lot"
    EXTRACT = "extract"
    PERIOD = "period"
    REOPENING = "reopening"
    CIRCULAR = "circular"
    INSPECTION = "inspection"
    REPORT = "report"
    REPORT_FORM = "report_form"
    REPORT_DECISION = "report_decision"


DOCUMENTS = frozenset({Purpose.ORDER, Purpose.LOT})
"""What is signed for these is a document's own bytes, without any heading: whoever reads it later,
PostgreSQL and the other processes too, checks the signature over what it carries out."""

TITLES = {
    Purpose.LOGIN: {
        "ky": "Жеке кабинетке кирүү",
        "ru": "Вход в личный кабинет",
        "en": "Entering the personal cabinet",
    },
    Purpose.APPLICATION: {
        "ky": "Катышуучу катары каттоого арыз",
        "ru": "Заявление на регистрацию участником",
        "en": "Application to be registered as a participant",
    },
    Purpose.NOTICE: {
        "ky": "Катышуучунун билдирүүсү",
        "ru": "Уведомление участника",
        "en": "Notice of a participant",
    },
    Purpose.WITHDRAWAL: {
        "ky": "Берилген документти кайтарып алуу",
        "ru": "Отзыв поданного документа",
        "en": "Withdrawal of a document that was handed in",
    },
    Purpose.DECISION: {
        "ky": "Ыйгарым укуктуу органдын чечими",
        "ru": "Решение уполномоченного органа",
        "en": "Decision of the authorised body",
    },
    Purpose.EXCLUSION: {
        "ky": "Катышуучуну чыгаруу жөнүндө чечим",
        "ru": "Решение об исключении участника",
        "en": "Decision to exclude a participant",
    },
    Purpose.SUSPENSION: {
        "ky": "Катышуучуну убактылуу токтотуу жөнүндө чечим",
        "ru": "Решение о приостановлении участника",
        "en": "Decision to suspend a participant",
    },
    Purpose.LIFTING: {
        "ky": "Катышуучуну убактылуу токтотууну бүтүрүү жөнүндө чечим",
        "ru": "Решение о прекращении приостановления участника",
        "en": "Decision to end the suspension of a participant",
    },
    Purpose.MESSAGE: {
        "ky": "Ыйгарым укуктуу органдын катышуучуга каты",
        "ru": "Письмо уполномоченного органа участнику",
        "en": "Message of the authorised body to a participant",
    },
    Purpose.ANSWER: {
        "ky": "Катышуучунун ыйгарым укуктуу органга жообу",
        "ru": "Ответ участника уполномоченному органу",
        "en": "Answer of a participant to the authorised body",
    },
    Purpose.ORDER: {
        "ky": "Ыйгарым укуктуу органдын буйругу",
        "ru": "Приказ уполномоченного органа",
        "en": "Order of the authorised body",
    },
    Purpose.LOT: {
        "ky": "Лот боюнча чечим",
        "ru": "Решение по лоту",
        "en": "Resolution on a lot",
    },
    Purpose.PERIOD: {
        "ky": "Киреше эсебинин мезгилин жабуу",
        "ru": "Закрытие периода учёта дохода",
        "en": "Closing of a period of income records",
    },
    Purpose.REOPENING: {
        "ky": "Киреше эсебинин жабылган мезгилин кайра ачуу",
        "ru": "Повторное открытие закрытого периода учёта дохода",
        "en": "Opening a closed period of income records again",
    },
    Purpose.EXTRACT: {
        "ky": "Майнерлердин электрондук реестринен көчүрмө",
        "ru": "Выписка из Электронного реестра майнеров",
        "en": "Extract from the Electronic Register of Miners",
    },
    Purpose.CIRCULAR: {
        "ky": "Ыйгарым укуктуу органдын катышуучуларга жалпы каты",
        "ru": "Циркулярное письмо уполномоченного органа участникам",
        "en": "Circular of the authorised body to participants",
    },
    Purpose.INSPECTION: {
        "ky": "Катышуучуну текшерүүнүн жыйынтыгы",
        "ru": "Результат проверки участника",
        "en": "Outcome of an inspection of a participant",
    },
    Purpose.REPORT: {
        "ky": "Катышуучунун отчету",
        "ru": "Отчёт участника",
        "en": "Report of a participant",
    },
    Purpose.REPORT_FORM: {
        "ky": "Отчеттун формасын бекитүү",
        "ru": "Утверждение формы отчётности",
        "en": "Setting of a form of reports",
    },
    Purpose.REPORT_DECISION: {
        "ky": "Катышуучунун отчету боюнча чечим",
        "ru": "Решение по отчёту участника",
        "en": "Decision on a report of a participant",
    },
}


NAMES = {
    Purpose.LOGIN: {"ky": "кирүү", "ru": "вход", "en": "entry"},
    Purpose.APPLICATION: {"ky": "арыз", "ru": "заявление", "en": "application"},
    Purpose.NOTICE: {"ky": "билдирүү", "ru": "уведомление", "en": "notice"},
    Purpose.WITHDRAWAL: {"ky": "кайтарып алуу", "ru": "отзыв", "en": "withdrawal"},
    Purpose.DECISION: {"ky": "чечим", "ru": "решение", "en": "decision"},
    Purpose.EXCLUSION: {"ky": "чыгаруу", "ru": "исключение", "en": "exclusion"},
    Purpose.SUSPENSION: {"ky": "убактылуу токтотуу", "ru": "приостановление", "en": "suspension"},
    Purpose.LIFTING: {
        "ky": "убактылуу токтотууну бүтүрүү",
        "ru": "прекращение приостановления",
        "en": "end of suspension",
    },
    Purpose.MESSAGE: {"ky": "кат", "ru": "письмо", "en": "message"},
    Purpose.ANSWER: {"ky": "жооп", "ru": "ответ", "en": "answer"},
    Purpose.ORDER: {"ky": "буйрук", "ru": "приказ", "en": "order"},
    Purpose.LOT: {"ky": "лот боюнча чечим", "ru": "решение по лоту", "en": "resolution on a lot"},
    Purpose.PERIOD: {"ky": "мезгилди жабуу", "ru": "закрытие периода", "en": "period closing"},
    Purpose.REOPENING: {
        "ky": "мезгилди кайра ачуу",
        "ru": "повторное открытие периода",
        "en": "period reopening",
    },
    Purpose.EXTRACT: {"ky": "реестрден көчүрмө", "ru": "выписка", "en": "extract"},
    Purpose.CIRCULAR: {"ky": "жалпы кат", "ru": "циркуляр", "en": "circular"},
    Purpose.INSPECTION: {"ky": "текшерүү", "ru": "проверка", "en": "inspection"},
    Purpose.REPORT: {"ky": "отчет", "ru": "отчёт", "en": "report"},
    Purpose.REPORT_FORM: {"ky": "отчеттун формасы", "ru": "форма отчётности", "en": "report form"},
    Purpose.REPORT_DECISION: {
        "ky": "отчет боюнча чечим",
        "ru": "решение по отчёту",
        "en": "report decision",
    },
}
"""What the line of the purpose says: no two purposes read alike, so each has its own bytes."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Names of the lines."""

    purpose: str
    place: str
    request: str
    nonce: str
    moment: str
    until: str


LABELS = {
    "ky": Labels("Максаты", "Сайт", "Суроо-талап", "Бир жолку сан", "Түзүлгөн", "Жарактуу"),
    "ru": Labels("Назначение", "Сайт", "Запрос", "Одноразовое число", "Создано", "Действует до"),
    "en": Labels("Purpose", "Site", "Request", "Number used once", "Made", "Valid until"),
}
LOGIN_BODY = {
    "ky": "Бул текстке кол коюу менен мен жеке кабинетке киремин. Мен аны жогоруда көрсөтүлгөн "
    "сайтта гана колдоном.",
    "ru": "Подписывая этот текст, я вхожу в личный кабинет. Я использую его только на сайте, "
    "указанном выше.",
    "en": "By signing this text I enter my personal cabinet. I use it only on the site named "
    "above.",
}
