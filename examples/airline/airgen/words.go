package airgen

// The words that airlines are made of.
var (
	airports = []string{"AMS", "ARN", "ATH", "BCN", "BER", "BRU", "BUD", "CDG", "CPH", "DUB", "EDI", "FCO", "FRA", "GVA",
		"HEL", "IST", "JFK", "KEF", "LHR", "LIS", "MAD", "MAN", "MUC", "MXP", "NCE", "ORD", "OSL", "OTP", "PRG", "RIX",
		"SFO", "SIN", "SOF", "TLL", "VIE", "VNO", "WAW", "YYZ", "ZAG", "ZRH"}
	given = []string{"Ada", "Aino", "Amina", "Anton", "Aoife", "Bruno", "Carmen", "Chidi", "Clara", "Diego", "Ebba", "Elif",
		"Emil", "Fatima", "Felix", "Freya", "Goran", "Grace", "Hana", "Henrik", "Hugo", "Ines", "Ivan", "Jonas", "Kaito",
		"Karin", "Lars", "Leila", "Luca", "Maeve", "Marta", "Mateo", "Mei", "Milan", "Nadia", "Nils", "Noor", "Olga", "Omar",
		"Oskar", "Paula", "Petra", "Priya", "Rafael", "Rosa", "Samir", "Sofia", "Tariq", "Teresa", "Viktor", "Yusuf", "Zoe"}
	family = []string{"Andersson", "Becker", "Bianchi", "Byrne", "Costa", "Cohen", "Dubois", "Eriksen", "Fischer", "Garcia",
		"Haddad", "Horvat", "Ivanova", "Jansen", "Kaya", "Keller", "Khan", "Kowalski", "Kumar", "Laine", "Lopez", "Marino",
		"Martin", "Meyer", "Moreau", "Murphy", "Nguyen", "Nielsen", "Novak", "Okafor", "Olsen", "Papas", "Patel", "Popescu",
		"Quinn", "Rossi", "Saar", "Sato", "Schmidt", "Silva", "Smith", "Sorensen", "Tanaka", "Toth", "Vries", "Virtanen",
		"Wagner", "Wilson", "Wojcik", "Yilmaz", "Young", "Zimmer"}
	// classes of the loyalty programme; most have none.
	classes = []string{"", "", "", "", "", "", "silver", "silver", "gold", "platinum"}
)
