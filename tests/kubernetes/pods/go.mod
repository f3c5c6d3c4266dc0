module stand-ins

go 1.24
