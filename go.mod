module github.com/situ-dev/situ

go 1.26
